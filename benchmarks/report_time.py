"""How long the report of many stored trials takes, beside reading their evaluations through MLflow's metric history.

    python benchmarks/report_time.py [--trials 1000] [--evaluations 1000] [--histories 10]

Imagined trials, twenty cells and so many seeds each, that ended an hour ago, are stored in a new SQLite database as
grokgrid stores them (but for the sparse curves of MLflow's own pages), and a report is kept of them. Timed in this
process, imports apart: a report from what the report keeps, with its CPU time, for on a busy machine only that says
something; and the reading alone. In the same run the evaluations of some trials are logged as metrics and read back
with `MlflowClient.get_metric_history`, the way without Parquet; its time is given for all trials in proportion.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.progress import track

from search_spaces import Study
from trainables.records import End, Segment, Summary

METRICS = ("train_accuracy", "test_accuracy", "train_loss", "test_loss")
NUM_ARMS = 20


def study(num_trials: int, num_evaluations: int) -> Study:
    return Study(
        name="many",
        question="How long does a report take?",
        seeds=max(1, num_trials // NUM_ARMS),
        trial={
            "data": "digits",
            "model": "mlp",
            "loss": "cross_entropy",
            "optimiser": {"name": "adamw", "lr": 1e-3},
            "budget": {"steps": num_evaluations},
            "goal": {"metric": "test_accuracy", "above": 0.85},
        },
        arms={
            "baseline": {},
            "jacobian": {
                "regulariser": {"name": "jacobian"},
                "grid": {"regulariser.strength": {"logspace": {"from": 1e-5, "to": 1e-1, "num": NUM_ARMS - 1}}},
            },
        },
        analyses=[{"kind": "acceleration", "baseline": "baseline"}, {"kind": "curves"}],
    )


def store(chosen: Study, num_evaluations: int) -> None:
    """All trials, each at its goal or at its budget, as `tracking.trials` records them."""
    import pyarrow
    import pyarrow.parquet
    from mlflow.tracking import MlflowClient

    from grokgrid import home
    from grokgrid.tracking import TRIALS, WorkStatus
    from grokgrid.tracking.client import Client, Point, RunState
    from grokgrid.tracking.records import KEY, OWNER, STATUS, params, summary_metrics, summary_tags

    client, mlflow = Client(home.tracking_uri()), MlflowClient(home.tracking_uri())
    experiment = client.experiment(TRIALS, "trials")
    generator = np.random.default_rng(0)
    place = Segment(
        from_steps=0, host="h", device="cpu", device_name="an abacus", num_threads=1, share=1.0,
        torch_version="2", python_version="3",
    )  # fmt: skip
    for trial in track(chosen.trials, description="storing trials"):
        steps = np.arange(1, num_evaluations + 1)
        rise = generator.uniform(0.4, 0.99) * num_evaluations
        values = {
            "test_accuracy": 1 / (1 + np.exp(-8 * (steps - rise) / num_evaluations))
            + generator.normal(0, 0.01, num_evaluations)
        }
        values |= {metric: generator.random(num_evaluations) for metric in METRICS if metric not in values}
        met = np.flatnonzero(values["test_accuracy"] > 0.85)
        end = int(met[0]) + 1 if len(met) else num_evaluations
        table = pyarrow.table(
            {"steps": steps[:end], "epochs": steps[:end] / 1.0, "seconds": steps[:end] * 0.01}
            | {metric: values[metric][:end] for metric in METRICS}
        )
        low, high, last = ({m: float(f(v[:end])) for m, v in values.items()} for f in (np.min, np.max, lambda v: v[-1]))
        summary = Summary(
            key=trial.key, seed=trial.seed, steps=end, epochs=end, seconds=end * 0.01, wall_seconds=end * 0.01,
            end=End.GOAL if len(met) else End.BUDGET, goal=str(trial.config.goal), diverged_at=None, low=low, high=high,
            last=last, final=last, segments=(place,),
        )  # fmt: skip
        run = client.create_run(experiment, trial.key, {KEY: trial.key, OWNER: "", STATUS: WorkStatus.FINISHED.value})
        points = [Point(name, value, end, run.started_ms) for name, value in summary_metrics(summary).items()]
        settings = params({**trial.config.model_dump(mode="json"), "seed": trial.seed})
        client.log(run.id, points=points, params=settings, tags=summary_tags(summary))
        folder = Path(run.artifact_uri.removeprefix("file://"))
        folder.mkdir(parents=True)
        pyarrow.parquet.write_table(table, folder / "curves.parquet")
        mlflow.set_terminated(run.id, RunState.FINISHED.value, end_time=run.started_ms - 3_600_000)


def keep_report(chosen: Study) -> float:
    """Seconds of the report that reads trial by trial, and is then kept for the next."""
    from grokgrid import api
    from grokgrid.tracking import Tracking
    from search_spaces import digest

    tracking = Tracking()
    start = time.perf_counter()
    first = api.report(chosen)
    seconds = time.perf_counter() - start
    api._keep(first, chosen, tracking.open_report(chosen.name, digest(chosen)))
    return seconds


def history_s(num_evaluations: int, num_trials: int) -> float:
    """Seconds a trial to read all evaluations of four metrics back from MLflow's own metric history."""
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    from grokgrid import home

    client = MlflowClient(home.tracking_uri())
    experiment = client.create_experiment("histories", artifact_location=(home.home() / "none").as_uri())
    runs = []
    for _ in track(range(num_trials), description="storing histories"):
        run = client.create_run(experiment).info.run_id
        for metric in METRICS:
            client.log_batch(
                run, metrics=[Metric(metric, step / num_evaluations, step, step) for step in range(num_evaluations)]
            )
        runs.append(run)
    start = time.perf_counter()
    for run in runs:
        for metric in METRICS:
            assert len(client.get_metric_history(run, metric)) == num_evaluations
    return (time.perf_counter() - start) / num_trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--histories", type=int, default=10, help="trials read through MLflow's metric history")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GROKGRID_HOME"] = folder
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        chosen = study(arguments.trials, arguments.evaluations)
        store(chosen, arguments.evaluations)
        from grokgrid import api

        first_s = keep_report(chosen)
        start = time.perf_counter()
        results = api.results(chosen)
        read_s = time.perf_counter() - start
        start, cpu_start = time.perf_counter(), time.process_time()
        api.report(chosen)
        report_s, report_cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
        mlflow_s = history_s(arguments.evaluations, arguments.histories) * len(chosen.trials)
        print(
            f"{len(chosen.trials)} trials, {len(results.curves):,} evaluations: report {report_s:.1f} s "
            f"({report_cpu_s:.1f} s of"
            f" CPU), of which reading {read_s:.1f} s; before a report was kept {first_s:.1f} s; reading them through"
            f" MLflow's metric history"
            f" {mlflow_s:.0f} s ({arguments.histories} trials, in proportion)"
        )
        print(
            f"of the time through the metric history the report takes {report_s / mlflow_s:.4f}, reading alone"
            f" {read_s / mlflow_s:.4f}"
        )


if __name__ == "__main__":
    main()
