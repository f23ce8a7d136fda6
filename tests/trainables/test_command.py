"""`python -m trainables trial.yaml`: one trial by itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tiny_trials import TINY, assert_same_bits, curves, latest, run, state, summary, tiny_trial

from trainables import __main__ as command
from trainables.data.arrays import digest
from trainables.records import End, Evaluation, WorkFolder
from trainables.trial import Trial, TrialConfig

ROOT = Path(__file__).parents[2]


def write(path: Path, **settings: Any) -> Path:
    path.write_text(yaml.safe_dump({"seed": 0} | TINY | settings))
    return path


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The command in this process, its signal handlers put back."""
    before = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    }

    def main(*arguments: str | Path) -> int:
        monkeypatch.setattr(sys, "argv", ["python -m trainables", *map(str, arguments)])
        try:
            return command.main()
        except SystemExit as end:
            assert isinstance(end.code, int)
            return end.code

    yield main
    for number, handler in before.items():
        signal.signal(number, handler)


def test_runs_to_the_end_and_says_how_it_went(tmp_path: Path, main, capsys: pytest.CaptureFixture[str]):
    file = write(tmp_path / "trial.yaml", goal={"metric": "test_accuracy", "above": 0.3})
    assert main(file, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr()
    trial = tiny_trial(goal={"metric": "test_accuracy", "above": 0.3})
    assert summary(trial, tmp_path / "out").end is End.GOAL
    lines = printed.out.splitlines()
    assert lines[0] == f"trial {trial.key}, seed 0, on cpu"
    assert lines[1].startswith("epoch 1  step 3  train_accuracy 0.")
    assert any(line.startswith("reached its goal, test_accuracy > 0.3: ") for line in lines)
    assert any(line.startswith("  test_accuracy ") for line in lines)
    assert lines[-1] == f"curves: {latest(trial, tmp_path / 'out').curves_path}"
    assert printed.err == ""


def test_trains_as_everybody_else_does(tmp_path: Path, main):
    assert main(write(tmp_path / "trial.yaml", shuffle=True, seed=3), "--out", tmp_path / "out") == 0
    trial = tiny_trial(seed=3, shuffle=True)
    run(trial, tmp_path / "reference")
    assert_same_bits(state(trial, tmp_path / "out"), state(trial, tmp_path / "reference"))
    assert curves(trial, tmp_path / "out") == curves(trial, tmp_path / "reference")


def test_again_does_nothing_and_says_the_same(tmp_path: Path, main, capsys: pytest.CaptureFixture[str]):
    file = write(tmp_path / "trial.yaml")
    assert main(file, "--out", tmp_path / "out") == 0
    first = capsys.readouterr().out.splitlines()
    assert main(file, "--out", tmp_path / "out") == 0
    second = capsys.readouterr().out.splitlines()
    assert second[0].endswith("going on after step 27")
    assert second[1].startswith("came to the end of its budget: 9 epochs, 27 steps, ")
    assert second[1:] == first[-len(second[1:]) :]


def test_a_snapshots_configuration_is_such_a_file(tmp_path: Path, main):
    probes = [{"name": "centroid", "num_points": 5}]
    noise = {"name": "tan_huang", "scale": 0.06, "floor": 0.03}
    trial = tiny_trial(
        seed=2, probes=probes, input_transform=noise, optimiser={"name": "adamw", "lr": 1e-3, "eps": 1e-10}
    )
    run(trial, tmp_path / "first")
    assert command.read_work(latest(trial, tmp_path / "first").config_path) == trial
    assert main(latest(trial, tmp_path / "first").config_path, "--out", tmp_path / "second") == 0
    assert_same_bits(state(trial, tmp_path / "first"), state(trial, tmp_path / "second"))


def test_numbers_are_read_as_people_mean_them(tmp_path: Path):
    text = yaml.safe_dump(TINY | {"optimiser": "LR", "seed": 0}).replace("LR", "{name: adamw, lr: 1e-2}")
    (tmp_path / "trial.yaml").write_text(text)
    assert command.read_work(tmp_path / "trial.yaml") == tiny_trial()


def test_divergence_is_a_result(tmp_path: Path, main, capsys: pytest.CaptureFixture[str]):
    file = write(tmp_path / "trial.yaml", loss="mean_squared_error", optimiser={"name": "sgd", "lr": 1e6})
    assert main(file, "--out", tmp_path / "out") == 0
    assert "diverged: the loss was not finite at step " in capsys.readouterr().out


DIGEST = "sha256:" + 64 * "0"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"seed": -1}, ["seed: -1 is not allowed"]),
        ({"seed": 2**32}, ["seed: 4294967296 is not allowed"]),
        ({"dtype": "float16"}, ["dtype: 'float16' is not allowed", "float32"]),
        ({"optimizer": "adamw"}, ["optimizer: is not a setting here", "did you mean 'optimiser'?"]),
        ({"optimiser": {"name": "adammw", "lr": 1e-3}}, ["optimiser: 'adammw' is not known", "'adamw'"]),
        ({"batch_size": 0, "shuffle": "yes"}, ["2 problems", "batch_size: 0", "shuffle: 'yes'"]),
        ({"budget": {"epochs": 3, "steps": 3}}, ["budget", "give either epochs or steps"]),
        ({"goal": {"metric": "accuracy", "above": 0.5}}, ["goal.metric: 'accuracy' is not measured", "test_accuracy"]),
        ({"data": {"name": "npz", "path": "nowhere.npz", "digest": DIGEST}}, ["nowhere.npz is not there"]),
        ({"data": {"name": "mnist", "root": "/nowhere"}}, ["not found under /nowhere", "grokgrid data get mnist"]),
    ],
)
def test_problems_in_the_file(
    tmp_path: Path, main, capsys: pytest.CaptureFixture[str], content: dict[str, Any], said: list[str]
):
    assert main(write(tmp_path / "trial.yaml", **content), "--out", tmp_path / "out") == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "Traceback" not in printed.err
    assert all(words in printed.err for words in said), printed.err
    assert not (tmp_path / "out").exists()


def test_the_content_of_data_is_checked(tmp_path: Path, main, capsys: pytest.CaptureFixture[str]):
    x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    arrays = {"x_train": x, "y_train": y, "x_test": x[:6], "y_test": y[:6]}
    for labels, status, said in (
        (y, 0, "Warning: data npz: {}: 6 of 6 test examples are among the training examples"),
        (y * 0, 2, "data npz: {}: class 0 is the only one among 20 training examples"),
    ):
        changed = arrays | {"y_train": labels}
        np.savez(tmp_path / "own.npz", **changed)
        data = {"name": "npz", "path": str(tmp_path / "own.npz"), "digest": digest(changed)}
        trial = write(tmp_path / "trial.yaml", data=data, batch_size=10, budget={"epochs": 1}, evaluate={"every": 1})
        assert main(trial, "--out", tmp_path / "out") == status
        assert said.format(tmp_path / "own.npz") in capsys.readouterr().err


def test_a_seed_must_be_given(tmp_path: Path, main, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(TINY))
    assert main(tmp_path / "trial.yaml") == 2
    assert "seed: is missing" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "", "[1, 2]", "seed: [", "seed: 1\nseed: 2", "\0"])
def test_files_that_hold_no_trial(tmp_path: Path, main, capsys: pytest.CaptureFixture[str], text: str | None):
    if text is not None:
        (tmp_path / "trial.yaml").write_text(text)
    assert main(tmp_path / "trial.yaml", "--out", tmp_path / "out") == 2
    assert "trial.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "TRIAL.yaml"),
        (["--device", "tpu"], "invalid choice"),
        (["--threads", "0"], "must be a whole number from 1, not '0'"),
        (["--threads", "two"], "must be a whole number from 1, not 'two'"),
        (["--checkpoint-every", "-1"], "must be a number of seconds, not '-1'"),
        (["--checkpoint-every", "nan"], "must be a number of seconds, not 'nan'"),
    ],
)
def test_problems_in_the_command(
    tmp_path: Path, main, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
):
    file = [write(tmp_path / "trial.yaml")] if arguments else []
    assert main(*file, *arguments) == 2
    assert said in capsys.readouterr().err


def test_a_place_that_cannot_be_written(tmp_path: Path, main, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "out").write_text("a file")
    assert main(write(tmp_path / "trial.yaml"), "--out", tmp_path / "out") == 2
    assert f"{tmp_path / 'out'}: File exists" in capsys.readouterr().err


def test_a_gpu_that_is_not_there(
    tmp_path: Path, main, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(write(tmp_path / "trial.yaml"), "--out", tmp_path / "out", "--device", "cuda") == 2
    assert capsys.readouterr().err == "--device cuda: torch finds no CUDA device here\n"


BARE = """
import runpy, sys
for name in ("ray", "mlflow", "optuna", "pandas", "platformdirs", "grokgrid", "search_spaces"):
    sys.modules[name] = None
runpy.run_module("trainables", run_name="__main__", alter_sys=True)
"""


def start_on_a_bare_machine(file: Path, out: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command in a process of its own, where nothing of the platform can be imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GROKGRID_")}
    return subprocess.Popen(
        [sys.executable, "-c", BARE, str(file), "--out", str(out), *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


ENDLESS: dict[str, Any] = {
    "shuffle": True,
    "regulariser": {"name": "jacobian", "strength": 0.1},
    "budget": {"steps": 10**9},
    "evaluate": {"every": 5},
}


def assert_goes_on_as_if_never_stopped(seed: int, root: Path, reference: Path) -> None:
    stopped_at = summary(tiny_trial(seed, **ENDLESS), root).steps
    settings = {"budget": {"steps": stopped_at + 12}, "evaluate": {"every": 5}}
    trial = Trial(config=TrialConfig.model_validate(TINY | ENDLESS | settings), seed=seed)
    run(trial, root)
    run(trial, reference)
    assert_same_bits(state(trial, root), state(trial, reference))
    assert curves(trial, root) == curves(trial, reference)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_at_the_next_evaluation_and_saves_a_snapshot(
    tmp_path: Path,
    main,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
):
    lines = []

    def line_with_a_signal(evaluation: Evaluation) -> str:
        lines.append(evaluation)
        if len(lines) == 3:
            os.kill(os.getpid(), number)
        return "line"

    monkeypatch.setattr(command, "_line", line_with_a_signal)
    monkeypatch.setattr(command, "_LINE_EVERY_S", 0.0)
    file = write(tmp_path / "trial.yaml", **ENDLESS)
    assert main(file, "--out", tmp_path / "out") == 128 + number
    assert len(lines) == 3
    printed = capsys.readouterr()
    assert printed.err == "stopping at the next evaluation; once more stops at once, losing what is not saved\n"
    assert "stopped, and goes on from here when run again: " in printed.out
    assert summary(tiny_trial(**ENDLESS), tmp_path / "out").steps == 11
    assert_goes_on_as_if_never_stopped(0, tmp_path / "out", tmp_path / "reference")


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path, main, monkeypatch: pytest.MonkeyPatch):
    def line_with_two_signals(evaluation: Evaluation) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return "line"

    monkeypatch.setattr(command, "_line", line_with_two_signals)
    file = write(tmp_path / "trial.yaml", **ENDLESS)
    assert main(file, "--out", tmp_path / "out") == 128 + signal.SIGINT


def test_a_signal_at_the_last_evaluation_is_no_failure(tmp_path: Path, main, monkeypatch: pytest.MonkeyPatch):
    def line_with_a_signal(evaluation: Evaluation) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return "line"

    monkeypatch.setattr(command, "_line", line_with_a_signal)
    file = write(tmp_path / "trial.yaml", budget={"epochs": 1}, evaluate={"every": 2})
    assert main(file, "--out", tmp_path / "out") == 0


@pytest.mark.slow
def test_killed_at_any_moment_goes_on_from_its_last_snapshot(tmp_path: Path):
    """Two trials at once, so that their interpreters start side by side, killed while they write snapshots. On a bare
    machine at that: a trial needs neither the platform nor what the platform needs.
    """
    trials = [tiny_trial(seed, **ENDLESS) for seed in range(2)]
    processes = []
    for trial in trials:
        file = write(tmp_path / f"{trial.seed}.yaml", **ENDLESS, seed=trial.seed)
        processes.append(start_on_a_bare_machine(file, tmp_path / "out", "--checkpoint-every", "0"))
    try:
        for trial, process in zip(trials, processes, strict=True):
            deadline = time.monotonic() + 300
            while WorkFolder(tmp_path / "out", trial.key).latest() is None and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(0.05 * trial.seed)
    finally:
        for process in processes:
            process.kill()
    printed = [process.communicate()[0] for process in processes]
    for trial, process, text in zip(trials, processes, printed, strict=True):
        assert process.returncode == -signal.SIGKILL, text
        assert summary(trial, tmp_path / "out").end is None
        assert_goes_on_as_if_never_stopped(trial.seed, tmp_path / "out", tmp_path / "reference")
