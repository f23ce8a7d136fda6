"""Trials that nobody trained, and assessments that nobody made: their folders are written by hand."""

import csv
import secrets
from pathlib import Path

import numpy
import yaml
from safetensors.numpy import save_file

from trainables.records import End, Segment, Snapshot, Summary, WorkFolder
from trainables.trial import Trial, TrialConfig
from trainables.work import Work

SEGMENT = Segment(
    from_steps=0,
    host="elsewhere",
    device="cpu",
    device_name="an abacus",
    num_threads=1,
    share=1.0,
    torch_version="2.0.0",
    python_version="3.11.0",
)


def trial(seed: int = 0, **settings: object) -> Trial:
    """A trial that no other test has: its data set is unique."""
    config = TrialConfig.model_validate(
        {
            "data": {"name": "npz", "path": "data.npz", "digest": f"sha256:{secrets.token_hex(32)}"},
            "model": "mlp",
            "loss": "cross_entropy",
            "optimiser": "adamw",
            "budget": {"epochs": 100},
            "goal": {"metric": "test_accuracy", "above": 0.85},
            **settings,
        }
    )
    return Trial(config=config, seed=seed)


def assessment(seed: int = 0) -> Work:
    """An assessment of the network of such a trial."""
    config = {"trial": trial(seed).config, "step": 40, "assessment": {"name": "accuracy"}}
    return Work.model_validate({"config": config, "seed": seed})


def keys(count: int) -> list[str]:
    """Of one configuration, as far as tracking can see."""
    cell = secrets.token_hex(12)
    return [f"{cell}{seed:08x}" for seed in range(count)]


class Folders:
    """Storage, with trials on it that look as if they had been trained."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __getitem__(self, key: str) -> WorkFolder:
        return WorkFolder(self.root, key)

    def finished(self, trial: Work, steps: int = 40, end: End = End.GOAL, *, num_kept: int = 0) -> Snapshot:
        """A snapshot after so many steps, 4 an epoch, an evaluation every 10: accuracy rises by 0.25 an evaluation.

        The norm is due at every second evaluation only, and the third evaluation's loss is not a number. So many
        networks were kept on the way.
        """
        evaluations = [
            {
                "steps": done,
                "epochs": done / 4,
                "seconds": done / 100,
                "test_accuracy": done / 40,
                "train_loss": float("nan") if done == 30 else 1 / done,
                "train_jacobian_norm_mean": done**0.5 if done % 20 == 0 else None,
            }
            for done in range(10, steps + 1, 10)
        ]
        measured = {
            name: [
                evaluation[name]
                for evaluation in evaluations
                if evaluation[name] is not None and evaluation[name] == evaluation[name]
            ]
            for name in ("test_accuracy", "train_loss", "train_jacobian_norm_mean")
        }
        last = {name: values[-1] for name, values in measured.items()}
        summary = Summary(
            key=trial.key,
            seed=trial.seed,
            steps=steps,
            epochs=steps / 4,
            seconds=steps / 100,
            wall_seconds=steps / 50,
            end=end,
            goal=str(trial.config.goal) if trial.config.goal is not None else None,
            diverged_at=None,
            low={name: min(values) for name, values in measured.items()},
            high={name: max(values) for name, values in measured.items()},
            last=last,
            final=last,
            segments=(SEGMENT,),
        )

        def fill(snapshot: Snapshot) -> None:
            config = {"seed": trial.seed, **trial.config.model_dump(mode="json")}
            snapshot.config_path.write_text(yaml.safe_dump(config, sort_keys=False))
            with snapshot.curves_path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(evaluations[0])
                for evaluation in evaluations:
                    writer.writerow("" if value is None else repr(value) for value in evaluation.values())
            snapshot.write_summary(summary)
            save_file({"weights": numpy.full(3, steps, dtype=numpy.float64)}, snapshot.state_path)
            for number in range(num_kept):
                snapshot.kept_path.mkdir(exist_ok=True)
                save_file({"weights": numpy.full(3, number)}, snapshot.kept_path / f"{number:09d}.safetensors")

        return self[trial.key].write(steps, fill)
