"""Parts of the layout that need no MLflow."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracking_trials import SEGMENT, Folders, trial

from grokgrid.tracking import curves
from grokgrid.tracking.records import goal_name, params, summary_tags
from trainables.evaluations import Goal
from trainables.names import MAX_TAG
from trainables.records import Segment

HEADER = "steps,epochs,seconds,loss,norm"


def rows(path: Path, *lines: str) -> Path:
    path.write_bytes("\r\n".join([HEADER, *lines, ""]).encode())
    return path


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**53),
            st.floats(0, 1e9),
            st.floats(allow_nan=True, allow_infinity=True),
            st.none() | st.floats(allow_nan=True, allow_infinity=True),
        )
    )
)
def test_curves_survive_parquet_to_the_byte(tmp_path_factory: pytest.TempPathFactory, evaluations: list[tuple]) -> None:
    lines = [
        f"{steps},{position!r},{position!r},{loss!r},{'' if norm is None else repr(norm)}"
        for steps, position, loss, norm in evaluations
    ]
    folder = tmp_path_factory.mktemp("curves")
    given = rows(folder / "given.csv", *lines)
    curves.to_csv(curves.from_csv(given), folder / "back.csv")
    assert (folder / "back.csv").read_bytes() == given.read_bytes()


def test_a_goal_is_reached_at_the_first_evaluation_that_meets_it(tmp_path: Path) -> None:
    table = curves.from_csv(
        rows(tmp_path / "c.csv", "1,1.0,0.5,3.0,", "2,2.0,1.0,nan,", "3,3.0,1.5,0.5,7.0", "4,4.0,2.0,0.1,8.0")
    )
    assert curves.first_reached(table, Goal(metric="loss", below=1)) == (3, 1.5)
    assert curves.first_reached(table, Goal(metric="norm", above=6.5)) == (3, 1.5)
    assert curves.first_reached(table, Goal(metric="norm", above=8.0)) is None
    assert curves.first_reached(table, Goal(metric="other", above=0)) is None
    from_zero = curves.from_csv(rows(tmp_path / "d.csv", "0,0.0,0.0,0.1,8.0", "3,3.0,1.5,0.5,9.0"))
    assert curves.first_reached(from_zero, Goal(metric="loss", below=1)) == (3, 1.5)


def test_sparse_curves_keep_the_ends_and_a_bound(tmp_path: Path) -> None:
    lines = [f"{n},{n}.0,{n}.0,{'nan' if n == 500 else n},{n if n % 100 == 0 else ''}" for n in range(1, 1001)]
    points = list(curves.sparse(curves.from_csv(rows(tmp_path / "c.csv", *lines)), started_ms=7))
    loss = [point for point in points if point.name == "loss"]
    assert len(loss) == curves.MAX_POINTS_A_METRIC
    assert (loss[0].steps, loss[-1].steps) == (1, 1000)
    assert loss[0].time_ms == 1007
    assert all(math.isfinite(point.value) for point in points)
    assert [point.value for point in points if point.name == "norm"] == [100.0 * n for n in range(1, 11)]


def test_settings_are_flat_and_name_no_paths() -> None:
    subject = trial(regulariser={"name": "jacobian", "strength": 1e-5}, dtype="float64")
    flat = params({"seed": 3, **subject.config.model_dump(mode="json")})
    assert flat["seed"] == "3"
    assert flat["dtype"] == "float64"
    assert flat["model.width"] == "196"
    assert flat["regularisers.jacobian.name"] == "jacobian"
    assert flat["regularisers.jacobian.strength"] == "1e-05"
    assert flat["input_transforms"] == "none"
    assert "data.path" not in flat
    assert not any(name.split(".")[0] in ("goal", "budget", "evaluate", "probes") for name in flat)


def test_goals_make_names_that_mlflow_takes() -> None:
    assert goal_name(str(Goal(metric="test_accuracy", above=0.85))) == "test_accuracy_above_0.85"
    assert goal_name(str(Goal(metric="train_loss", below=1e-7))) == "train_loss_below_1e-07"


def test_a_trial_resumed_very_often_still_fits(folders: Folders) -> None:
    """Its tag tells the first stretch in each kind of place, and the last stretch."""
    stretches = tuple(SEGMENT.model_copy(update={"from_steps": n, "host": "b" if n > 100 else "a"}) for n in range(200))
    summary = folders.finished(trial()).summary()
    text = summary_tags(summary.model_copy(update={"segments": stretches}))["grokgrid.segments"]
    assert len(text) <= MAX_TAG
    told = [Segment.model_validate(segment) for segment in json.loads(text)]
    assert [segment.from_steps for segment in told] == [0, 101, 199]
