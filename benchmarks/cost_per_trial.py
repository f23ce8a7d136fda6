"""What a short trial costs beyond its training: engine and tracking together, on this machine, under Ray.

    python benchmarks/cost_per_trial.py [--trials 100] [--slots 2] [--others 12]

The same short trials (digits, some tenths of a second of training each) are run by grokgrid in blocks of one, in
blocks as it forms them by itself, and, fewer of them, by plain Ray Tune with its MLflowLoggerCallback, which logs every
evaluation to the same kind of database. Printed is (wall time - training / slots) / trials, from the moment Ray is up.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from search_spaces import Study


def study(num_trials: int, first_seed: int) -> Study:
    return Study(
        name="cost",
        question="What does a trial cost beyond its training?",
        seeds=tuple(range(first_seed, first_seed + num_trials)),
        trial={
            "data": {"name": "digits", "num_train": 200, "num_test": 200},
            "model": {"name": "mlp", "width": 32, "depth": 3},
            "loss": "cross_entropy",
            "optimiser": {"name": "adamw", "lr": 1e-3},
            "budget": {"epochs": 200},
            "evaluate": {"every": 20},
        },
        arms={"baseline": {}},
    )


def ours(num_trials: int, first_seed: int, num_slots: int, max_block: int) -> tuple[float, float]:
    """Wall and training seconds of all trials together."""
    from grokgrid import home, running, sources
    from grokgrid.engine.ray import RayEngine
    from grokgrid.progress import Progress
    from grokgrid.tracking import Tracking

    running.MAX_BLOCK = max_block
    chosen = study(num_trials, first_seed)
    tracking = Tracking()
    tracking.connect()
    home.storage_root().mkdir(parents=True, exist_ok=True)
    report = tracking.open_report(chosen.name, "benchmark")
    quiet = Console(quiet=True)
    with RayEngine(num_slots=num_slots) as engine, Progress(chosen.name, num_slots, quiet) as progress:
        start = time.perf_counter()
        running.Driver(
            sources.WholeStudy(chosen, tracking),
            engine,
            tracking,
            report,
            progress,
            running.How(storage=home.storage_root()),
        ).run()
        wall = time.perf_counter() - start
    report.abandon()
    found = tracking.find([trial.key for trial in chosen.trials]).values()
    assert len(found) == num_trials
    return wall, sum(record.summary.wall_seconds for record in found if record.summary is not None)


def plain_tune(num_trials: int, first_seed: int, num_slots: int) -> tuple[float, float]:
    """The same by Ray Tune as its documentation has it: a function, a grid, MLflowLoggerCallback."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    trials = list(study(num_trials, first_seed).trials)

    def train(config: dict[str, Any]) -> None:
        from trainables.records import WorkFolder
        from trainables.run import WorkRun

        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            for evaluation in WorkRun(trials[config["index"]], WorkFolder(Path(folder), "trial")):
                tune.report({**evaluation.values, "trained_s": time.perf_counter() - start})

    ray.init(num_cpus=num_slots, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    start = time.perf_counter()
    results = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={"index": tune.grid_search(list(range(num_trials)))},
        run_config=tune.RunConfig(
            storage_path=tempfile.mkdtemp(),
            verbose=0,
            callbacks=[
                MLflowLoggerCallback(
                    tracking_uri=f"sqlite:///{tempfile.mkdtemp()}/mlflow.db", experiment_name="tune", save_artifact=True
                )
            ],
        ),
    ).fit()
    wall = time.perf_counter() - start
    ray.shutdown()
    return wall, sum(result.metrics["trained_s"] for result in results if result.metrics)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--others", type=int, default=12, help="trials for plain Ray Tune")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["GROKGRID_HOME"] = home
        costs = {}
        for name, number, measured in (
            ("grokgrid, blocks of one", arguments.trials, ours(arguments.trials, 0, arguments.slots, 1)),
            ("grokgrid, as it is", arguments.trials, ours(arguments.trials, 10_000, arguments.slots, 50)),
            ("Ray Tune + MLflowLoggerCallback", arguments.others, plain_tune(arguments.others, 0, arguments.slots)),
        ):
            wall, training = measured
            costs[name] = (wall - training / arguments.slots) / number
            print(
                f"{name}: {number} trials in {wall:.1f} s, {training:.1f} s of training on {arguments.slots} slots:"
                f" {costs[name]:.3f} s a trial beyond it",
                flush=True,
            )
    first, *_, last = costs.values()
    print(f"blocks of one cost {first / last:.3f} of what Ray Tune with its MLflowLoggerCallback costs")


if __name__ == "__main__":
    main()
