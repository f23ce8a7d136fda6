"""Every assessment that ships: killed after any batch and continued, it equals one that was left alone, bit for bit."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from trainables.assessments.base import Assessment
from trainables.laid_networks import write_networks
from trainables.records import Snapshot, Summary, WorkFolder
from trainables.run import WorkRun
from trainables.trial import Trial
from trainables.work import Work

SIZES = {"sizes": [0.05, 0.2]}
SETTINGS: dict[str, dict[str, Any]] = {
    "accuracy": {},
    "white_noise": SIZES,
    "fgsm": SIZES,
    "pgd": {**SIZES, "steps": 5, "restarts": 2},
    "transfer": {**SIZES, "steps": 5},
    "autoattack": {"sizes": [0.1], "parts": ["apgd-ce", "square"], "restarts": 1},
}
BATCH, NUM = 10, 40
EACH = [pytest.param(name, marks=pytest.mark.slow if name == "autoattack" else ()) for name in SETTINGS]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trial, dict[int, Snapshot]]:
    """Of two seeds, trained for a moment."""
    config = {
        "data": {"name": "digits", "num_train": 200},
        "model": {"name": "cnn", "channels": [4], "strides": [2], "hidden": [12]},
        "loss": "cross_entropy",
        "optimiser": {"name": "adamw", "lr": 0.01},
        "budget": {"epochs": 30},
        "evaluate": {"at": [30]},
    }
    root = tmp_path_factory.mktemp("networks")
    found = {}
    for seed in (0, 1):
        trial = Trial.model_validate({"config": config, "seed": seed})
        list(WorkRun(trial, WorkFolder(root, trial.key)))
        latest = WorkFolder(root, trial.key).latest()
        assert latest is not None
        found[seed] = latest
    return Trial.model_validate({"config": config, "seed": 0}), found


def assessing(name: str, networks: tuple[Trial, dict[int, Snapshot]], storage: Path, **settings: Any) -> Work:
    """With the networks that it needs beside it."""
    trial, snapshots = networks
    kind = Assessment.named(name)
    asked = {"name": name, "num_examples": NUM, "batch_size": BATCH, **SETTINGS[name], **settings}
    source = (1, snapshots[1].steps) if kind.needs_source else None
    config = {"trial": trial.config, "step": snapshots[0].steps, "assessment": asked, "source": source}
    work = Work.model_validate({"config": config, "seed": 0})

    def fill(folder: Path) -> None:
        for need, snapshot in zip(work.needs, snapshots.values(), strict=False):
            shutil.copyfile(snapshot.state_path, folder / need.file_name)

    folder = WorkFolder(storage, work.key)
    folder.path.mkdir(parents=True)
    write_networks(folder.networks_path, fill)
    return work


def assessed(work: Work, storage: Path, *, killed_after: int | None = None) -> Snapshot:
    """Killed, it goes on in another process, of which this knows no more than that all objects are new."""
    folder = WorkFolder(storage, work.key)
    if killed_after is not None:
        run = WorkRun(work, folder)
        for _ in range(killed_after):
            next(run)
        run.close()
    list(_evaluations(work, folder))
    latest = folder.latest()
    assert latest is not None
    return latest


def _evaluations(work: Work, folder: WorkFolder) -> Iterator[object]:
    yield from WorkRun(work, folder)


def result(snapshot: Snapshot) -> tuple[Summary, bytes, list[str]]:
    """All but times."""
    timeless = {"seconds": 0.0, "wall_seconds": 0.0, "segments": ()}
    table = (snapshot.tables_path / "examples.parquet").read_bytes()
    curves = [line.split(",") for line in snapshot.curves_path.read_text().splitlines()]
    return snapshot.summary().model_copy(update=timeless), table, [",".join([*c[:2], *c[3:]]) for c in curves]


def test_every_one_that_ships_is_tried() -> None:
    assert set(SETTINGS) == set(Assessment.names())


@pytest.mark.parametrize("name", EACH)
def test_killed_and_continued_equals_undisturbed(
    name: str, networks: tuple[Trial, dict[int, Snapshot]], tmp_path: Path
) -> None:
    expected = result(assessed(assessing(name, networks, tmp_path / "whole"), tmp_path / "whole"))
    for batches in range(1, NUM // BATCH):
        storage = tmp_path / str(batches)
        work = assessing(name, networks, storage)
        assert result(assessed(work, storage, killed_after=batches)) == expected


@pytest.mark.parametrize("name", EACH)
def test_all_examples_are_there_once_and_have_their_metrics(
    name: str, networks: tuple[Trial, dict[int, Snapshot]], tmp_path: Path
) -> None:
    work = assessing(name, networks, tmp_path)
    snapshot = assessed(work, tmp_path)
    table = pyarrow.parquet.read_table(snapshot.tables_path / "examples.parquet").to_pandas()
    num_sizes = 1 + len(SETTINGS[name].get("sizes", ()))
    assert table["example"].nunique() == NUM and len(table) == NUM * num_sizes
    assert set(snapshot.summary().final) == set(work.config.metrics or ())


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "autoattack"])
def test_the_size_of_batches_decides_nothing(
    name: str, networks: tuple[Trial, dict[int, Snapshot]], tmp_path: Path
) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    one, other = assessing(name, networks, small, batch_size=7), assessing(name, networks, large, batch_size=NUM)
    assert one.key == other.key
    columns = ["example", "label", "prediction"]
    one_table, other_table = (
        pyarrow.parquet.read_table(assessed(work, storage).tables_path / "examples.parquet").to_pandas()
        for work, storage in ((one, small), (other, large))
    )
    by = [*columns[:1], *([] if "size" not in one_table else ["size"])]
    mine, theirs = (table.sort_values(by).reset_index(drop=True)[columns] for table in (one_table, other_table))
    assert mine.equals(theirs)


def test_autoattack_draws_by_batch_so_its_size_is_part_of_the_key(
    networks: tuple[Trial, dict[int, Snapshot]], tmp_path: Path
) -> None:
    one = assessing("autoattack", networks, tmp_path / "one", batch_size=10)
    assert one.key != assessing("autoattack", networks, tmp_path / "other", batch_size=20).key
