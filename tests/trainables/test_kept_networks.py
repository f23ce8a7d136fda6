"""Networks that are kept on the way: which, what is in them, and that they go along with every snapshot."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load
from test_ending import written_out
from tiny_trials import TINY, assert_same_bits, kept, latest, run, run_for, state, summary, tiny_trial

from trainables import kept_networks
from trainables.checksums import Damaged
from trainables.evaluations import Budget, Keep
from trainables.kept_networks import KeptNetworks
from trainables.records import Evaluation, WorkFolder
from trainables.run import How, WorkRun
from trainables.trial import Trial, TrialConfig
from trainables.validation import ValidationErrors, validate

EVERY_STEP: dict[str, Any] = {"budget": {"steps": 9}, "evaluate": {"every": 1, "first": 0}}


def names(*steps: int) -> set[str]:
    return {f"{step:09d}.safetensors" for step in steps}


@pytest.mark.parametrize(
    ("evaluate", "keep", "expected"),
    [
        ({"every": 1, "first": 0}, {"every": 3}, [1, 4, 7]),
        ({"every": 1, "first": 0}, {"every": 3, "first": 0}, [0, 3, 6, 9]),
        ({"every": 1, "first": 0}, {"per_decade": 3}, [1, 2, 5]),
        ({"every": 1}, {"at": [0, 5, 5000]}, [1, 5]),
        # Of places between two evaluations the second has one network.
        ({"every": 4}, {"at": [2, 3, 4, 6]}, [5, 9]),
        ({"at": [0, 2, 9]}, {"at": [0, 1, 2]}, [0, 2]),
    ],
)
def test_are_kept_at_the_evaluation_at_or_after_each_place(
    evaluate: dict[str, Any], keep: dict[str, Any], expected: list[int], tmp_path: Path
):
    trial = tiny_trial(budget={"steps": 9}, evaluate=evaluate, keep=keep)
    run(trial, tmp_path)
    assert kept(trial, tmp_path).keys() == names(*expected)


PLACES = st.one_of(
    st.builds(Keep, every=st.integers(1, 40), first=st.none() | st.integers(0, 200)),
    st.builds(Keep, per_decade=st.integers(1, 20), first=st.none() | st.integers(0, 200)),
    st.sets(st.integers(0, 200), min_size=1).map(lambda at: Keep(at=tuple(sorted(at)))),
)


@given(keep=PLACES, steps=st.sets(st.integers(0, 300), min_size=1))
def test_agrees_with_all_places_written_out(keep: Keep, steps: set[int]):
    """A place belongs to the first evaluation that is not before it."""
    evaluations = [Evaluation(step, step / 3, 0.0, {}) for step in sorted(steps)]
    those = KeptNetworks(keep, Budget(steps=1000))
    for num in range(1, len(evaluations) + 1):
        those.note(evaluations[:num], dict)
    places = [place for place in written_out(keep) if place <= max(steps)]
    assert those._unsaved.keys() == names(*(min(step for step in steps if step >= place) for place in places))


def test_places_are_in_the_unit_of_the_budget(tmp_path: Path):
    """Three steps an epoch."""
    trial = tiny_trial(evaluate={"every": 2}, keep={"at": [3, 6]})
    run(trial, tmp_path)
    assert kept(trial, tmp_path).keys() == names(9, 21)


def test_holds_the_parameters_and_buffers_after_so_many_steps(tmp_path: Path):
    trial = tiny_trial(**EVERY_STEP, keep={"at": [0, 5]})
    run(trial, tmp_path / "kept")
    networks = kept(trial, tmp_path / "kept")
    for steps in (1, 5):
        there = tiny_trial(budget={"steps": steps}, evaluate=EVERY_STEP["evaluate"])
        run(there, tmp_path / str(steps))
        whole = state(there, tmp_path / str(steps))
        network = {name: tensor for name, tensor in whole.items() if name.startswith("parameters.")}
        if steps == 5:
            assert_same_bits(load(networks["000000005.safetensors"]), network)
        else:
            assert load(networks["000000000.safetensors"]).keys() == network.keys()
    run_for(tiny_trial(**EVERY_STEP), tmp_path / "first", 1)
    first = state(tiny_trial(**EVERY_STEP), tmp_path / "first")
    assert_same_bits(load(networks["000000000.safetensors"]), {n: t for n, t in first.items() if n.startswith("param")})


def test_of_a_model_with_buffers_has_them(tmp_path: Path):
    file = Path(__file__).with_name("example_plugins.py")
    trial = tiny_trial(model={"name": f"{file}:Net"}, **EVERY_STEP, keep={"at": [9]})
    run(trial, tmp_path)
    (network,) = kept(trial, tmp_path).values()
    whole = state(trial, tmp_path)
    assert "buffers.norm.running_mean" in whole
    wanted = {name: tensor for name, tensor in whole.items() if name.startswith(("parameters.", "buffers."))}
    assert_same_bits(load(network), wanted)


class TestWhen:
    accuracy = {"metric": "test_accuracy", "above": 0.3}

    def first_above(self, evaluations: list[Evaluation], value: float) -> int:
        return next(e.steps for e in evaluations if e.values["test_accuracy"] > value)

    def test_the_first_evaluation_at_which_it_holds(self, tmp_path: Path):
        trial = tiny_trial(evaluate={"every": 1}, keep={"when": self.accuracy})
        evaluations = run(trial, tmp_path)
        assert 1 < self.first_above(evaluations, 0.3) < evaluations[-1].steps
        assert kept(trial, tmp_path).keys() == names(self.first_above(evaluations, 0.3))

    def test_beside_places(self, tmp_path: Path):
        trial = tiny_trial(evaluate={"every": 1}, keep={"at": [9], "when": self.accuracy})
        evaluations = run(trial, tmp_path)
        assert kept(trial, tmp_path).keys() == names(self.first_above(evaluations, 0.3), 27)

    def test_counts_from_the_first_step_on_as_a_goal_does(self, tmp_path: Path):
        trial = tiny_trial(**EVERY_STEP, keep={"when": {"metric": "train_loss", "above": 0.0}})
        run(trial, tmp_path)
        assert kept(trial, tmp_path).keys() == names(1)

    def test_is_met_once_however_often_the_trial_is_continued(self, tmp_path: Path):
        trial = tiny_trial(**EVERY_STEP, keep={"when": {"metric": "train_loss", "above": 0.0}})
        for _ in range(9):
            run_for(trial, tmp_path, 1)
        run(trial, tmp_path)
        assert kept(trial, tmp_path).keys() == names(1)

    def test_of_a_metric_that_is_seldom_measured(self, tmp_path: Path):
        probes = [{"name": "jacobian_norm", "num_points": 5, "every": 4}]
        when = {"metric": "train_jacobian_norm_mean", "above": 0.0}
        trial = tiny_trial(**EVERY_STEP, probes=probes, keep={"when": when})
        run(trial, tmp_path)
        assert kept(trial, tmp_path).keys() == names(4)


class TestSnapshots:
    def test_have_all_that_were_kept_so_far_as_links(self, tmp_path: Path):
        trial = tiny_trial(**EVERY_STEP, keep={"every": 1, "first": 0})
        running = WorkRun(trial, WorkFolder(tmp_path, trial.key), How(checkpoint_every_s=0.0))
        for number, _ in enumerate(running):
            assert kept(trial, tmp_path).keys() == names(*range(number + 1))
        before, last = WorkFolder(tmp_path, trial.key).snapshots()
        for name in names(*range(9)):
            assert (before.kept_path / name).samefile(last.kept_path / name)

    def test_have_copies_where_links_are_not_possible(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        def link(source: Path, target: Path) -> None:
            raise PermissionError(1, "Operation not permitted")

        trial = tiny_trial(**EVERY_STEP, keep={"at": [2, 4]})
        run(trial, tmp_path / "links")
        monkeypatch.setattr(os, "link", link)
        run_for(trial, tmp_path / "copies", 4)
        run(trial, tmp_path / "copies")
        assert kept(trial, tmp_path / "copies") == kept(trial, tmp_path / "links")

    def test_are_saved_out_of_turn_before_memory_fills(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        trial = tiny_trial(**EVERY_STEP, keep={"every": 1})
        run(trial, tmp_path / "whole")
        size = sum(tensor.nbytes for tensor in load(kept(trial, tmp_path / "whole")["000000001.safetensors"]).values())
        monkeypatch.setattr(kept_networks, "MOST_UNSAVED_BYTES", 2.5 * size)
        running = WorkRun(trial, WorkFolder(tmp_path / "its", trial.key), How(checkpoint_every_s=3600.0))
        saved = []
        for evaluation in running:
            found = WorkFolder(tmp_path / "its", trial.key).snapshots()
            saved.append((evaluation.steps, found[-1].steps if found else None))
        assert saved[:8] == [(0, None), (1, None), (2, None), (3, 3), (4, 3), (5, 3), (6, 6), (7, 6)]

    def test_without_them_have_no_folder(self, tmp_path: Path):
        trial = tiny_trial(keep={"at": [5000]})
        run(trial, tmp_path)
        assert not latest(trial, tmp_path).kept_path.exists()

    def test_that_lost_one_cannot_be_continued(self, tmp_path: Path):
        trial = tiny_trial(**EVERY_STEP, keep={"at": [1]})
        run_for(trial, tmp_path, 3)
        running = WorkRun(trial, WorkFolder(tmp_path, trial.key))
        next(running)
        (latest(trial, tmp_path).kept_path / "000000001.safetensors").unlink()
        with pytest.raises(Damaged, match=r"000000001.safetensors was kept and is in no snapshot"):
            list(running)


def test_another_study_keeps_others_of_the_same_trial(tmp_path: Path):
    """What was kept stays, what has passed is not made up for, and a trial that ended has no more."""
    first = tiny_trial(evaluate={"every": 1}, budget={"epochs": 4}, keep={"at": [2]})
    without = tiny_trial(evaluate={"every": 1}, budget={"epochs": 6})
    then = tiny_trial(evaluate={"every": 1}, budget={"epochs": 9}, keep={"at": [3, 8]})
    assert first.key == without.key == then.key
    run(first, tmp_path)
    run(without, tmp_path)
    assert kept(without, tmp_path).keys() == names(6)
    run(then, tmp_path)
    assert kept(then, tmp_path).keys() == names(6, 24)
    before = summary(then, tmp_path)
    assert run(tiny_trial(evaluate={"every": 1}, keep={"every": 1}), tmp_path) == []
    assert summary(then, tmp_path) == before


def test_keeping_changes_nothing_of_the_trial(tmp_path: Path):
    keeping, plain = tiny_trial(keep={"every": 1}), tiny_trial()
    assert keeping.key == plain.key
    for trial, folder in ((keeping, tmp_path / "keeping"), (plain, tmp_path / "plain")):
        run(trial, folder)
    assert_same_bits(state(keeping, tmp_path / "keeping"), state(plain, tmp_path / "plain"))


@pytest.mark.parametrize(
    ("keep", "wrong"),
    [
        ({}, r"keep: give every, per_decade or at, or when"),
        ({"first": 0}, r"keep: give every, per_decade or at, or when"),
        ({"every": 1, "at": [1]}, r"keep: give one of every, per_decade and at"),
        ({"at": [3, 2]}, r"keep.at: 2 comes after 3"),
        (
            {"when": {"metric": "test_acuracy", "above": 0.5}},
            r"keep.when.metric: 'test_acuracy' is not measured .*mean",
        ),
        ({"when": {"metric": "test_accuracy", "above": 5}}, r"keep.when.above: 5 cannot be reached"),
        ({"when": {"metric": "test_accuracy"}}, r"keep.when: give either above or below"),
        ({"when": {"metric": "test_loss", "below": 1}, "first": 0}, r"keep.first: 0 is not allowed without every or"),
        ({"often": 1}, r"keep.often"),
    ],
)
def test_what_keep_must_not_be(keep: dict[str, Any], wrong: str):
    with pytest.raises(ValidationErrors, match=wrong):
        validate(TrialConfig, TINY | {"keep": keep}, source="trial.yaml")


def test_what_was_validated_can_be_written_down_and_read_again():
    for keep in ({"every": 3, "first": 0}, {"at": [2]}, {"per_decade": 2, "when": {"metric": "test_loss", "below": 1}}):
        trial = tiny_trial(keep=keep)
        assert Trial.model_validate_json(trial.model_dump_json()) == trial
