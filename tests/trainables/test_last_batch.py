"""Model plugins that cannot be trained on a batch of one example, and studies that would give them one."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from tiny_trials import tiny_trial

from trainables.data.content import Findings
from trainables.data.inspection import Inspection
from trainables.last_batch import check_last_batches
from trainables.validation import ValidationErrors

MODELS = """
import math

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, input_shape, num_outputs, body):
        super().__init__()
        num_features = math.prod(input_shape)
        bodies = {
            "plain": nn.Linear(num_features, num_outputs),
            "normalised": nn.Sequential(nn.Linear(num_features, 4), nn.BatchNorm1d(4), nn.Linear(4, num_outputs)),
            "layer norm": nn.Sequential(nn.LayerNorm(num_features), nn.Linear(num_features, num_outputs)),
            "over pixels": nn.Sequential(
                nn.Unflatten(1, tuple(input_shape)), nn.BatchNorm2d(1), nn.Flatten(),
                nn.Linear(num_features, num_outputs),
            ),
            "squeezed": nn.Linear(num_features, num_outputs),
            "by hand": nn.Linear(num_features, num_outputs),
            "broken": nn.Linear(1, 1),
        }
        self.body, self.kind = bodies[body], body

    def forward(self, x):
        x = x.flatten(1)
        if self.kind == "by hand":
            x = (x - x.mean(0)) / x.std(0)
        outputs = self.body(x)
        return outputs.squeeze() if self.kind == "squeezed" else outputs


class Frozen(Model):
    '''Keeps its batch normalisation in evaluation mode.'''

    def train(self, mode=True):
        super().train(mode)
        self.body.eval()
        return self
"""


@pytest.fixture
def models(tmp_path: Path) -> str:
    (tmp_path / "models.py").write_text(MODELS)
    return f"{tmp_path / 'models.py'}"


def check(models: str, body: str, *, kind: str = "Model", num_train: int = 101, **settings: Any) -> tuple[str, ...]:
    """On some of the digits, in batches of 50."""
    model = {"name": f"{models}:{kind}", "body": body}
    data = {"name": "digits", "num_train": num_train}
    trial = tiny_trial(**{"model": model, "data": data, "batch_size": 50, **settings})
    return check_last_batches({"arms.mine": trial.config}, {})


@pytest.mark.filterwarnings("ignore:std.*degrees of freedom")
class TestRefused:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("normalised", "ValueError: Expected more than 1 value per channel when training"),
            ("squeezed", r"maps one example to (10,) in the place of (1, 10)"),
            ("by hand", "maps one example to values that are not finite"),
        ],
    )
    def test_a_last_batch_of_one(self, models: str, body: str, reason: str):
        with pytest.raises(ValidationErrors) as error:
            check(models, body)
        said = str(error.value)
        assert "arms.mine.batch_size: 50 leaves one of 101 training examples for the last batch" in said
        assert reason in said
        assert said.endswith("Give batch_size: 49 or drop_last: true or data.num_train: 100")
        # The advice holds.
        assert check(models, body, batch_size=49) == check(models, body, num_train=100) == ()
        assert check(models, body, drop_last=True) == ()

    @pytest.mark.parametrize(
        ("num_train", "batch_size", "advice"),
        [
            (100, 1, "Give batch_size: 2"),
            (101, 1, "Give batch_size: 3"),
            (3, 2, "Give batch_size: 3 or drop_last: true or data.num_train: 2"),
            (1, None, "Give more training examples"),
            (1, 1, "Give more training examples"),
        ],
    )
    def test_other_ways_to_a_batch_of_one(self, models: str, num_train: int, batch_size: int | None, advice: str):
        with pytest.raises(ValidationErrors) as error:
            check(models, "normalised", num_train=num_train, batch_size=batch_size)
        assert str(error.value).endswith(advice)

    def test_a_network_of_ours_that_normalises_batches(self, models: str):
        trial = tiny_trial(model={"name": "mlp", "batch_norm": True}, data={"name": "digits", "num_train": 65})
        with pytest.raises(
            ValidationErrors, match="32 leaves one of 65 training examples for the last batch, of which"
        ):
            check_last_batches({"arms.mine": trial.config}, {})

    def test_the_same_problem_of_many_cells_is_said_once(self, models: str):
        model = {"name": f"{models}:Model", "body": "normalised"}
        trial = tiny_trial(model=model, data={"name": "digits", "num_train": 101}, batch_size=50)
        with pytest.raises(ValidationErrors) as error:
            check_last_batches({f"arms.mine/{cell}": trial.config for cell in range(100)}, {})
        assert len(error.value.problems) == 1

    def test_the_size_of_data_in_a_file(self, models: str, tmp_path: Path):
        from trainables.datasets.npz import Npz

        data = {"name": "npz", "path": tmp_path / "own.npz", "digest": f"sha256:{'0' * 64}"}
        trial = tiny_trial(model={"name": f"{models}:Model", "body": "normalised"}, data=data, batch_size=8)
        config = TypeAdapter(Npz).validate_python(data)

        def inspection(num_train: int) -> Inspection:
            return Inspection(
                digest=config.digest,
                num_train=num_train,
                num_test=5,
                example_shape=(3, 4),
                num_outputs=2,
                has_pixels=False,
                num_used=num_train,
                num_runs=9,
                num_runs_mixed=9,
                findings=Findings(),
            )

        with pytest.raises(ValidationErrors, match="8 leaves one of 17 training examples"):
            check_last_batches({"arms.mine": trial.config}, {config: inspection(17)})
        assert check_last_batches({"arms.mine": trial.config}, {config: inspection(18)}) == ()
        assert check_last_batches({"arms.mine": trial.config}, {}) == ()


class TestFine:
    @pytest.mark.parametrize("body", ["plain", "layer norm"])
    def test_models_that_see_one_image_at_a_time(self, models: str, body: str):
        assert check(models, body) == ()

    def test_batch_normalisation_that_is_not_trained(self, models: str):
        assert check(models, "normalised", kind="Frozen") == ()

    @pytest.mark.parametrize("num_train", [100, 102])
    def test_other_last_batches(self, models: str, num_train: int):
        assert check(models, "normalised", num_train=num_train) == ()

    def test_what_fails_on_any_batch_is_left_to_the_rehearsal(self, models: str):
        assert check(models, "broken") == ()


def test_statistics_of_the_pixels_of_one_image_are_a_warning(models: str):
    (warning,) = check(models, "over pixels")
    assert "arms.mine.batch_size: 50 leaves one of 101 training examples" in warning
    assert "from which alone Model takes BatchNorm's mean and variance. Give batch_size: 49" in warning


def test_nothing_global_is_drawn_from(models: str):
    import torch

    before = torch.random.get_rng_state()
    check(models, "over pixels")
    assert torch.equal(torch.random.get_rng_state(), before)
