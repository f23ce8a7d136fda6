"""Running one trial: train, evaluate, stop at the goal, the budget or divergence; leave snapshots on the way."""

import csv
import math
import os
import platform
import shutil
import socket
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from trainables import checksums
from trainables.faults import Fault, fault_of, reason
from trainables.plugins.loading import source_of
from trainables.records import End, Evaluation, Segment, Snapshot, Summary, TrialFolder, Waiting, ending, warn
from trainables.snapshot_requests import never
from trainables.training import Training
from trainables.trial import Trial

RETRIED_EVERY_S = 2.0


def run_trial(
    trial: Trial,
    folder: TrialFolder,
    *,
    device: str = "cpu",
    num_threads: int = 1,
    share: float = 1.0,
    checkpoint_every_s: float = 60.0,
    snapshot_asked: Callable[[], bool] = never,
    say: Callable[[str], None] = warn,
    data_digest: str | None = None,
) -> Generator[Evaluation | Waiting, None, None]:
    """Trains `trial` from its latest snapshot, or from the start, and yields every evaluation.

    A snapshot that cannot be saved, because a disk is full, say, is tried again: meanwhile the trial trains on, and
    waits only at its end. Each try that fails yields a Waiting.

    Snapshots are saved every `checkpoint_every_s` seconds, at the end, and when the iterator is closed early: what is
    then continued equals the uninterrupted trial, bit for bit on a CPU. A trial that is over already yields nothing.

    share: of the device this trial has to itself; recorded, for times only compare where it is the same.
    snapshot_asked: called at every evaluation; whether to save one out of turn.
    say: gets a sentence about each snapshot that is damaged, and does not count.
    data_digest: what data that a function makes must have here as elsewhere, if that is known.

    Raises:
        DataError: the data is missing, or not what the configuration declares, or another one than elsewhere or before.
        ValidationErrors: a plugin is missing, is not what the configuration declares, or gives what it should not.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    latest = folder.latest(say)
    before = latest.summary() if latest is not None else None
    if latest is not None and before is not None and (end := ending(trial.config, before)) is not None:
        if before.end is None:
            # Over only for whoever asks now, with a smaller budget than the checkpoint was written under.
            ended = before.model_copy(update={"end": end})
            folder.write(before.steps, partial(_copy_with_summary, latest, ended))
        return

    torch.set_num_threads(num_threads)
    sources = [source_of(plugin) for _, plugin in trial.config.plugins]
    training = Training(trial, torch.device(device), data_digest=data_digest)
    if before is not None:
        training.check_data(before.data_digest, f"until step {before.steps:,} of this trial")
    evaluations: list[Evaluation] = []
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    last: dict[str, float] = {}
    if latest is not None and before is not None:
        training.restore(
            load_file(latest.state_path, device=device),
            steps=before.steps,
            seconds=before.seconds,
            diverged_at=before.diverged_at,
        )
        evaluations, low, high, last = _read_curves(latest), dict(before.low), dict(before.high), dict(before.last)
    segment = _segment(training, num_threads=num_threads, share=share)
    started = saved = time.perf_counter()
    saved_steps = training.steps

    def summary(end: End | None = None, final: dict[str, float] | None = None) -> Summary:
        return Summary(
            key=trial.key,
            seed=trial.seed,
            steps=training.steps,
            epochs=training.epochs,
            seconds=training.seconds,
            wall_seconds=(before.wall_seconds if before else 0.0) + time.perf_counter() - started,
            end=end,
            goal=str(trial.config.goal) if trial.config.goal is not None else None,
            diverged_at=training.diverged_at,
            low=low,
            high=high,
            last=last,
            final=final or {},
            segments=(*(before.segments if before else ()), segment),
            data_digest=training.data_digest,
        )

    def save(summary: Summary) -> None:
        def fill(snapshot: Snapshot) -> None:
            snapshot.write_config(trial)
            if sources:
                snapshot.write_plugins(sources)
            _write_curves(snapshot, trial.config.metrics, evaluations)
            snapshot.write_summary(summary)
            save_file({name: t.contiguous() for name, t in training.state().items()}, snapshot.state_path)

        os.stat(folder.root)  # A new folder where a mount is gone would be in the wrong place.
        folder.write(summary.steps, fill)

    def try_to_save(summary: Summary) -> Waiting | None:
        try:
            save(summary)
        except Exception as error:
            if fault_of(error, [str(file) for source in sources for file in source.paths]) is not Fault.ENVIRONMENT:
                raise
            return Waiting(reason(error, folder.root))
        return None

    waiting: Waiting | None = None
    wait_s = checkpoint_every_s
    unit = training.steps_per_epoch if trial.config.budget.unit == "epochs" else 1
    try:
        while True:
            training.advance(trial.config.next_evaluation(steps=training.steps, epochs=training.epochs) * unit)
            if training.diverged_at is None:
                due = tuple(probe for probe in trial.config.all_probes if len(evaluations) % probe.every == 0)
                evaluation = Evaluation(training.steps, training.epochs, training.seconds, training.measure(due))
                evaluations.append(evaluation)
                for name, value in evaluation.values.items():
                    last[name] = value
                    if not math.isnan(value):
                        low[name] = min(value, low.get(name, value))
                        high[name] = max(value, high.get(name, value))
            progress = summary()
            end = ending(trial.config, progress)
            if end is not None:
                final = training.measure(trial.config.all_probes) if training.diverged_at is None else {}
                progress = summary(end, final)
                while (waiting := try_to_save(progress)) is not None:
                    yield waiting
                    time.sleep(RETRIED_EVERY_S)
            elif snapshot_asked() or time.perf_counter() - saved >= wait_s:
                waiting, saved = try_to_save(progress), time.perf_counter()
                wait_s = checkpoint_every_s if waiting is None else RETRIED_EVERY_S
                if waiting is None:
                    saved_steps = progress.steps
                else:
                    yield waiting
            if training.diverged_at is None:
                yield evaluation
            if end is not None:
                return
    except GeneratorExit:
        if (end is None or waiting is not None) and saved_steps != progress.steps:
            try_to_save(progress)
        raise


def _copy_with_summary(latest: Snapshot, summary: Summary, snapshot: Snapshot) -> None:
    shutil.copytree(latest.path, snapshot.path, dirs_exist_ok=True)
    checksums.check(snapshot.path)
    snapshot.write_summary(summary)


def _segment(training: Training, *, num_threads: int, share: float) -> Segment:
    device = training.device
    return Segment(
        from_steps=training.steps,
        host=socket.gethostname(),
        device=device.type,
        device_name=torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        num_threads=num_threads,
        share=share,
        torch_version=torch.__version__,
        python_version=platform.python_version(),
    )


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _write_curves(snapshot: Snapshot, metrics: tuple[str, ...], evaluations: list[Evaluation]) -> None:
    with snapshot.curves_path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["steps", "epochs", "seconds", *metrics])
        for evaluation in evaluations:
            values = (evaluation.values.get(metric) for metric in metrics)
            row = [evaluation.steps, repr(evaluation.epochs), repr(evaluation.seconds)]
            writer.writerow([*row, *("" if value is None else repr(value) for value in values)])


def _read_curves(snapshot: Snapshot) -> list[Evaluation]:
    with snapshot.curves_path.open(newline="") as file:
        return [
            Evaluation(
                steps=int(row.pop("steps")),
                epochs=float(row.pop("epochs")),
                seconds=float(row.pop("seconds")),
                values={metric: float(value) for metric, value in row.items() if value != ""},
            )
            for row in csv.DictReader(file)
        ]
