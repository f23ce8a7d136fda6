"""What damaged snapshots do to results, and what mutated study files do to the command line.

    python benchmarks/damage.py [--snapshots 1000] [--studies 2000] [--seed 0]

Snapshots: a short trial is trained once undisturbed, and once up to some point of its life; what it has left by then is
damaged, and its next reader goes on: a worker, `python -m trainables`, or a driver, which records it in MLflow.
The result must be the undisturbed one: every evaluation, every tensor of the last state.

Studies: the YAML of a study of the library is mutated, and `grokgrid show` and `grokgrid plan` read it. It must be
refused with exit code 2, or accepted with trial keys that survive being written as YAML and read again.

Printed are counts by kind; the exit code is 1 if any case is wrong, ends in a traceback, or takes longer than a minute.
"""

import argparse
import contextlib
import io
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutated_studies import MUTATIONS

STUCK_S = 60

# Snapshots

CONFIG: dict[str, Any] = {
    "data": {"name": "digits", "num_train": 70, "num_test": 50},
    "model": {"name": "mlp", "width": 12, "depth": 3},
    "loss": "cross_entropy",
    "optimiser": {"name": "adamw", "lr": 1e-2},
    "batch_size": 32,
    "shuffle": True,
    "gradient_filter": {"name": "ema", "decay": 0.8, "gain": 0.1},
    "input_transform": {"name": "tan_huang", "scale": 0.06, "floor": 0.03},
    "regulariser": {"name": "jacobian", "strength": 0.1},
    "budget": {"steps": 12},
    "evaluate": {"every": 2},
}
NUM_EVALUATIONS = 6


def flip(file: Path, draw: random.Random) -> None:
    content = bytearray(file.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)


def zeros(file: Path, draw: random.Random) -> None:
    content = bytearray(file.read_bytes())
    start = draw.choice([place for place, byte in enumerate(content) if byte])
    stop = min(len(content), start + draw.choice([1, 16, 512, 4096]))
    content[start:stop] = bytes(stop - start)
    file.write_bytes(content)


def cut(file: Path, draw: random.Random) -> None:
    os.truncate(file, draw.randrange(file.stat().st_size))


def empty(file: Path, draw: random.Random) -> None:
    file.write_bytes(b"")


def missing(file: Path, draw: random.Random) -> None:
    file.unlink()


def appended(file: Path, draw: random.Random) -> None:
    file.write_bytes(file.read_bytes() + draw.randbytes(draw.choice([1, 100, 5000])))


def swapped(file: Path, draw: random.Random) -> None:
    other = draw.choice([path for path in sorted(file.parent.iterdir()) if path != file])
    mine, theirs = file.read_bytes(), other.read_bytes()
    file.write_bytes(theirs)
    other.write_bytes(mine)


def a_folder(file: Path, draw: random.Random) -> None:
    file.unlink()
    file.mkdir()


FILES = {
    "one bit flipped": flip,
    "a stretch zeroed": zeros,
    "cut short": cut,
    "emptied": empty,
    "missing": missing,
    "garbage appended": appended,
    "two files swapped": swapped,
    "a folder in its place": a_folder,
}
OF_OTHERS = "a file of another trial"
OF_BEFORE = "a file of the snapshot before"
WHOLE_OTHERS = "the whole snapshot of another trial"
KINDS = (*FILES, OF_OTHERS, OF_BEFORE, WHOLE_OTHERS)

UNDER_WAY, LESS, OVER, RECORDED = "under way", "over for a study that asks for less", "over", "recorded in MLflow"
LIVES = (UNDER_WAY, LESS, OVER, RECORDED)
WORKER, ALONE, DRIVER = "a worker", "python -m trainables", "a driver"


@dataclass
class Tally:
    """Cases by kind, and what came of them; `wrong` holds a text for each that should not have happened."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: list[str] = field(default_factory=list)

    def print(self, title: str, outcomes: tuple[str, ...]) -> None:
        rows = [(kind, *(str(self.counts[kind][each]) for each in outcomes)) for kind in self.counts]
        total = [str(sum(self.counts[kind][each] for kind in self.counts)) for each in outcomes]
        for row in ((title, *outcomes), ("---", *("---:" for _ in outcomes)), *rows, ("all", *total)):
            print("| " + " | ".join(row) + " |")
        for text in self.wrong:
            print(f"\nWRONG: {text}")
        print(flush=True)


class Stuck(BaseException):
    """A case has taken too long."""


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Stuck(f"stuck for {STUCK_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(STUCK_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def damage_snapshots(num: int, seed: int, *, driven: bool = True) -> Tally:
    """driven: whether a driver reads some of them, and some lie in MLflow."""
    tally, lives = Tally(), LIVES if driven else (UNDER_WAY, LESS, OVER)
    readers = [WORKER, WORKER, ALONE, DRIVER] if driven else [WORKER, ALONE]
    with tempfile.TemporaryDirectory() as folder, _home(Path(folder) / "home"):
        for number in range(num):
            draw = random.Random(f"{seed}-{number}")
            kind, life = KINDS[number % len(KINDS)], lives[(number // len(KINDS)) % len(lives)]
            reader = DRIVER if life == RECORDED else draw.choice(readers)
            case = f"snapshot {number} (seed {seed}): {kind}, {life}, read by {reader}"
            root = Path(folder) / "storage" / "trials"
            try:
                with in_time():
                    outcome = _one_snapshot(number, kind, life, reader, draw, root)
                tally.counts[kind].update(["cases", outcome])
            except (Exception, Stuck):
                tally.counts[kind].update(["cases", "wrong"])
                tally.wrong.append(f"{case}\n{traceback.format_exc(limit=-4)}")
            shutil.rmtree(root, ignore_errors=True)
    return tally


def _one_snapshot(number: int, kind: str, life: str, reader: str, draw: random.Random, root: Path) -> str:
    """What came of it. Raises if that is not the undisturbed result."""
    from trainables.records import WorkFolder
    from trainables.run import How, WorkRun
    from trainables.trial import Trial, TrialConfig

    def trial(of_seed: int, **changes: Any) -> Trial:
        return Trial(config=TrialConfig.model_validate(CONFIG | changes), seed=of_seed)

    wanted, other = trial(number), trial(10_000_000 + number)
    less = {"steps": 2 * draw.randrange(2, NUM_EVALUATIONS)}
    shorter = trial(number, budget=less)
    undisturbed, others = root.parent / f"undisturbed-{number}", root.parent / f"others-{number}"
    evaluations = list(WorkRun(wanted, WorkFolder(undisturbed, wanted.key)))
    for of, place in ((wanted, root), *([] if kind in FILES else [(other, others)])):
        until = max(1, NUM_EVALUATIONS if life == OVER else less["steps"] // 2 - (0 if life == LESS else 1))
        asked = iter([evaluation >= until - 1 for evaluation in range(1, NUM_EVALUATIONS + 1)])
        running = WorkRun(of, WorkFolder(place, of.key), How(snapshot_asked=lambda asked=asked: next(asked)))
        for _, _ in zip(range(until), running, strict=False):
            pass
        # What was killed saves nothing more.
        list(running) if life == OVER else None
    said: list[str] = []
    with _said(said):
        if life in (LESS, RECORDED):
            list(WorkRun(shorter, WorkFolder(root, wanted.key)))
        if life == RECORDED:
            recorded = _drive(shorter, root, said)
            folders = [Path(recorded.artifact_uri.removeprefix("file://"))]
        else:
            folders = [snapshot.path for snapshot in reversed(WorkFolder(root, wanted.key).snapshots())]
            if draw.random() < 0.3:
                folders = draw.sample(folders, 1)
            elif draw.random() < 0.7:
                folders = folders[:1]
        theirs = None if kind in FILES else WorkFolder(others, other.key).snapshots()[-1].path
        for folder in folders:
            _damage(kind, folder, theirs, draw)
        _read(reader, wanted, root, said)
    _compare(
        reader, wanted, root, WorkFolder(undisturbed, wanted.key), [evaluation.values for evaluation in evaluations]
    )
    for place in (undisturbed, others):
        shutil.rmtree(place, ignore_errors=True)
    if not said:
        return "made no difference"
    return "went on from a whole one" if "goes on after" in said[-1] else "started anew"


def _damage(kind: str, folder: Path, theirs: Path | None, draw: random.Random) -> None:
    file = draw.choice([path for path in sorted(folder.iterdir()) if path.is_file()])
    if kind in FILES:
        FILES[kind](file, draw)
    elif kind == WHOLE_OTHERS and folder.name.startswith("at-"):
        shutil.rmtree(folder)
        shutil.copytree(theirs, folder)
    else:
        before = [path for path in sorted(folder.parent.glob("at-*")) if path.name < folder.name]
        source = before[-1] if kind == OF_BEFORE and before else theirs
        given = draw.choice([path for path in sorted(source.iterdir()) if (folder / path.name).exists()])
        shutil.copyfile(given, folder / given.name)


def _read(reader: str, trial: Any, root: Path, said: list[str]) -> None:
    if reader == WORKER:
        from grokgrid.engine.interface import Block, Failed, Warned
        from grokgrid.engine.work import work

        for event in work(Block(id="b", work=(trial,), storage=root)):
            assert not isinstance(event, Failed), event
            said += [event.text] if isinstance(event, Warned) else []
    elif reader == ALONE:
        from trainables import __main__ as alone
        from trainables.records import Snapshot

        Snapshot(root.parent).write_config(trial)
        told = io.StringIO()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        arguments, sys.argv = sys.argv, ["trainables", str(root.parent / "config.yaml"), "--out", str(root)]
        try:
            with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
                assert alone.main() == 0, told.getvalue()
        finally:
            sys.argv = arguments
            for number, handler in handlers.items():
                signal.signal(number, handler)
        said += told.getvalue().splitlines()
    else:
        _drive(trial, root, said)


def _drive(trial: Any, root: Path, said: list[str]) -> Any:
    """Returns the record."""
    from rich.console import Console

    from grokgrid.engine import InlineEngine
    from grokgrid.progress import Progress
    from grokgrid.running import Driver, How
    from grokgrid.sources import Asked
    from grokgrid.tracking import Label, Tracking

    class Source:
        given = False

        def more(self, outcome: Any, room: int) -> list[Any]:
            given, self.given = self.given, True
            return [] if given else [Asked(trial, Label("damage", "trial", "trial", trial.seed))]

    root.mkdir(parents=True, exist_ok=True)
    tracking, told = Tracking(), io.StringIO()
    report = tracking.open_report("damage", "digest")
    console = Console(file=told, width=10_000)
    with InlineEngine() as engine, Progress("damage", 1, console) as progress:
        outcome = Driver(Source(), engine, tracking, report, progress, How(storage=root)).run()
    report.abandon()
    assert outcome.finished == {trial.key}, (outcome, told.getvalue())
    said += [line for line in told.getvalue().splitlines() if "damaged" in line and "/" in line]
    return tracking.find([trial.key])[trial.key]


def _compare(reader: str, trial: Any, root: Path, undisturbed: Any, evaluations: list[dict[str, float]]) -> None:
    import torch
    from safetensors.torch import load_file

    from grokgrid.tracking import Tracking
    from trainables.records import WorkFolder
    from trainables.run import _read_curves

    wanted = undisturbed.latest()
    if reader == DRIVER:
        trial_results = Tracking().read([trial.key])
        record = trial_results.records[trial.key]
        summary, state = record.summary, Path(record.artifact_uri.removeprefix("file://")) / "state.safetensors"
        table = trial_results.of(trial.key).to_pylist()
        found = [{name: row[name] for name in evaluations[0]} for row in table]
    else:
        snapshot = WorkFolder(root, trial.key).latest()
        summary, state = snapshot.summary(), snapshot.state_path
        found = [evaluation.values for evaluation in _read_curves(snapshot)]
    assert found == evaluations, "other evaluations"
    assert (summary.final, summary.steps) == (wanted.summary().final, wanted.summary().steps), "another end"
    mine, theirs = load_file(state), load_file(wanted.state_path)
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine), "other state"


@contextlib.contextmanager
def _said(said: list[str]) -> Iterator[None]:
    """What the log says."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, handler = logging.getLogger("grokgrid"), Handler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextlib.contextmanager
def _home(home: Path) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in ("GROKGRID_HOME", "GROKGRID_STORAGE", "MLFLOW_TRACKING_URI")}
    for name in before:
        os.environ.pop(name, None)
    os.environ["GROKGRID_HOME"] = str(home)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ |= {name: value} if value is not None else {}


# Studies


def mutate_studies(num: int, seed: int) -> Tally:
    from search_spaces import to_yaml
    from search_spaces.library import LIBRARY

    texts = [to_yaml(make()) for make in LIBRARY.values()]
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder, _home(Path(folder) / "home"):
        for number in range(num):
            draw = random.Random(f"{seed}-{number}")
            kind = list(MUTATIONS)[number % len(MUTATIONS)]
            file = Path(folder) / f"study-{number}.yaml"
            file.write_bytes(MUTATIONS[kind](draw.choice(texts), draw))
            try:
                with in_time():
                    outcome = _one_study(file)
                tally.counts[kind].update(["cases", outcome])
            except (Exception, Stuck):
                tally.counts[kind].update(["cases", "wrong"])
                content = file.read_bytes()[:3000].decode(errors="replace")
                tally.wrong.append(f"study {number} (seed {seed}), {kind}\n{traceback.format_exc(limit=-4)}\n{content}")
            file.unlink()
    return tally


def _one_study(file: Path) -> str:
    from search_spaces import read_study

    code, shown, told = _grokgrid("show", str(file))
    planned, _, told_by_plan = _grokgrid("plan", str(file))
    if code == 2:
        assert planned == 2, f"show refuses what plan accepts: {told}"
        assert told.strip() and "Traceback" not in told, told
        return "refused"
    assert code == 0, (code, told)
    again = file.with_name("again.yaml")
    again.write_text(shown)
    assert _keys(read_study(again)) == _keys(read_study(file)), "other keys"
    assert planned in (0, 2) and "Traceback" not in told_by_plan, told_by_plan
    return "accepted" if planned == 0 else "refused by plan"


def _keys(study: Any) -> dict[tuple[str, int], str]:
    return {(cell.name, seed): cell.key_of(seed) for cell in study.cells for seed in study.seed_list}


def _grokgrid(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of a command, run in this process."""
    from grokgrid.cli import app

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(arguments, standalone_mode=True)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return code, out.getvalue(), err.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshots", type=int, default=1000)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    snapshots = damage_snapshots(arguments.snapshots, arguments.seed)
    outcomes = ("went on from a whole one", "started anew", "made no difference", "wrong")
    snapshots.print("damage to snapshots", ("cases", *outcomes))
    studies = mutate_studies(arguments.studies, arguments.seed)
    studies.print("mutated study files", ("cases", "refused", "refused by plan", "accepted", "wrong"))
    return 1 if snapshots.wrong or studies.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
