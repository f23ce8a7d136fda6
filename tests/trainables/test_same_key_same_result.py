"""One key, one result, whatever code of users does: global generators, state in modules, changed settings."""

import os
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_trials import assert_same_bits, curves, run, run_for, state, tiny_trial

from trainables.plugins.loading import load_plugin
from trainables.regularisers.plugin import PluginRegulariser
from trainables.training import Training
from trainables.trial import Trial
from trainables.validation import ValidationErrors


def write(file: Path, text: str) -> Path:
    file.write_text(f"import random\nimport numpy as np\nimport torch\n\n{text}")
    return file


def trained(trial: Trial, steps: int = 5) -> dict[str, torch.Tensor]:
    """All that a trial is after some steps and a measurement."""
    training = Training(trial, torch.device("cpu"))
    training.advance(steps)
    measured = training.measure(trial.config.all_probes)
    return training.state() | {name: torch.tensor(value) for name, value in measured.items()}


def disturb(number: int) -> None:
    """What other code of the process may have done to the global generators."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


DRAWING: dict[str, tuple[str, str]] = {
    "a regulariser, from Python": (
        "regulariser",
        "def plugin(step):\n    return random.random() * step.outputs.mean()\n",
    ),
    "a regulariser, from NumPy": (
        "regulariser",
        "def plugin(step):\n    return np.random.rand() * step.outputs.mean()\n",
    ),
    "a regulariser, from torch": (
        "regulariser",
        "def plugin(step):\n    return (torch.rand(()) * step.outputs).mean()\n",
    ),
    "a loss": ("loss", "def plugin(outputs, y):\n    return (torch.rand_like(outputs) * outputs.square()).mean()\n"),
    "a gradient filter": (
        "gradient_filter",
        "def plugin(gradients, state):\n    return {n: g + np.random.rand() for n, g in gradients.items()}, state\n",
    ),
    "a backward pass": (
        "regulariser",
        "class Noisy(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x):\n        return x.clone()\n"
        "    @staticmethod\n    def backward(ctx, g):\n        return g * random.random()\n\n"
        "def plugin(step):\n    return Noisy.apply(step.outputs.square().mean())\n",
    ),
    "a class that is made": (
        "regulariser",
        "class plugin:\n    def __init__(self):\n        self.weight = random.random()\n"
        "    def __call__(self, step):\n        return self.weight * step.outputs.square().mean()\n",
    ),
    "a probe": (
        "probes",
        "def plugin(evaluation):\n    return np.random.rand() + float(torch.rand(())) + random.random()\n",
    ),
    "initial weights, from NumPy": (
        "model",
        "class plugin(torch.nn.Module):\n    def __init__(self, input_shape, num_outputs):\n"
        "        super().__init__()\n"
        "        self.w = torch.nn.Parameter(torch.from_numpy(np.random.randn(64, num_outputs)).float())\n"
        "    def forward(self, x):\n        return x.flatten(1) @ self.w\n",
    ),
    "a model, also where it is measured": (
        "model",
        "class plugin(torch.nn.Module):\n    def __init__(self, input_shape, num_outputs):\n"
        "        super().__init__()\n"
        "        self.linear = torch.nn.Linear(64, num_outputs)\n"
        "    def forward(self, x):\n        return self.linear(x.flatten(1) + torch.randn(64)) * random.random()\n",
    ),
}


def drawing(what: str, folder: Path) -> Trial:
    field, text = DRAWING[what]
    plugin = {"name": f"{write(folder / 'drawing.py', text)}:plugin"}
    return tiny_trial(shuffle=True, **{field: [plugin | {"every": 1}] if field == "probes" else plugin})


@pytest.mark.parametrize("what", DRAWING)
def test_what_is_drawn_from_global_generators_is_the_trials(what: str, tmp_path: Path):
    trial = drawing(what, tmp_path)
    disturb(1)
    first = trained(trial)
    disturb(2)
    assert_same_bits(first, trained(trial))
    other = trained(trial.model_copy(update={"seed": 1}))
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("what", DRAWING)
@pytest.mark.parametrize("evaluations", [1, 3])
def test_and_is_the_same_where_it_is_continued(what: str, evaluations: int, tmp_path: Path):
    trial = drawing(what, tmp_path)
    disturb(1)
    run(trial, tmp_path / "whole")
    run_for(trial, tmp_path / "plugins", evaluations)
    disturb(2)
    run(trial, tmp_path / "plugins")
    assert_same_bits(state(trial, tmp_path / "whole"), state(trial, tmp_path / "plugins"))
    assert curves(trial, tmp_path / "whole") == curves(trial, tmp_path / "plugins")


def test_the_processes_generators_stay_where_they_were(tmp_path: Path):
    trial = drawing("a probe", tmp_path)
    disturb(1)
    expected = random.random(), np.random.rand(), float(torch.rand(()))
    disturb(1)
    trained(trial)
    assert (random.random(), np.random.rand(), float(torch.rand(()))) == expected


PGD = """
def pgd(evaluation, *, steps=2, size=0.3):
    x = evaluation.x + size * torch.rand(evaluation.x.shape, generator=evaluation.generator, dtype=evaluation.x.dtype)
    for _ in range(steps):
        x.requires_grad_()
        loss = torch.nn.functional.cross_entropy(evaluation.f(x), evaluation.y)
        x = (x + size * torch.autograd.grad(loss, x)[0].sign()).detach()
    return (evaluation.f(x).argmax(1) == evaluation.y).double().mean() + x.mean()

def another(evaluation):
    return torch.rand((), generator=evaluation.generator).item()
"""


class TestProbesDraw:
    @pytest.fixture
    def pgd(self, tmp_path: Path) -> dict[str, Any]:
        return {"name": f"{write(tmp_path / 'attack.py', PGD)}:pgd", "on": "test", "every": 1}

    def values(
        self, probes: list[dict[str, Any]], folder: Path, metric: str = "test_pgd", evaluations: int = 0
    ) -> list[float]:
        trial = tiny_trial(probes=probes)
        if evaluations:
            run_for(trial, folder, evaluations)
        before = [float(row[-1]) for row in curves(trial, folder)[1:]] if evaluations else []
        return before + [evaluation.values[metric] for evaluation in run(trial, folder) if metric in evaluation.values]

    def test_independently_of_other_probes(self, pgd: dict[str, Any], tmp_path: Path):
        other = {"name": pgd["name"].replace(":pgd", ":another"), "every": 1}
        alone = self.values([pgd], tmp_path / "alone")
        assert alone == self.values([other, pgd], tmp_path / "both")
        # Its own schedule neither: every second evaluation measures the same there.
        assert alone[::2] == self.values([pgd | {"every": 2}], tmp_path / "seldom")
        drawn = self.values([other, pgd], tmp_path / "both again", "train_another")
        assert len(set(drawn)) == len(drawn), "one generator for all evaluations"

    def test_the_same_where_training_is_continued(self, pgd: dict[str, Any], tmp_path: Path):
        assert self.values([pgd], tmp_path / "whole") == self.values([pgd], tmp_path / "plugins", evaluations=2)


STATE: dict[str, str] = {
    "a module's global": (
        "count = 0\ndef plugin(step):\n    global count\n    count += 1\n    return count * step.outputs.mean()\n"
    ),
    "a mutable default": (
        "def plugin(step, *, seen=[]):\n    seen.append(1)\n    return len(seen) * step.outputs.mean()\n"
    ),
    "a function's attribute": (
        "def plugin(step):\n    plugin.count = getattr(plugin, 'count', 0) + 1\n"
        "    return plugin.count * step.outputs.mean()\n"
    ),
    "a class's attribute": (
        "class plugin:\n    count = 0\n    def __call__(self, step):\n        plugin.count += 1\n"
        "        return plugin.count * step.outputs.mean()\n"
    ),
    "a cache": (
        "from functools import lru_cache\n@lru_cache\ndef weight(shape):\n    return torch.rand(shape)\n\n"
        "def plugin(step):\n    return (weight(step.outputs.shape) * step.outputs).mean()\n"
    ),
    "a module beside it": (
        "import counting_helper\n\ndef plugin(step):\n    counting_helper.count += 1\n"
        "    return counting_helper.count * step.outputs.mean()\n"
    ),
    "a module that it imports later": (
        "def plugin(step):\n    from counting_helper import counted\n    counted.append(1)\n"
        "    return len(counted) * step.outputs.mean()\n"
    ),
    "a module that it names in a text": (
        "import importlib\ndef plugin(step):\n    helper = importlib.import_module('counting_' + 'helper')\n"
        "    helper.count += 1\n    return helper.count * step.outputs.mean()\n"
    ),
    "torch's default type": (
        "torch.set_default_dtype(torch.float64)\n"
        "def plugin(step):\n    return torch.ones(10) @ step.outputs.double()[0]\n"
    ),
}


def with_state(what: str, folder: Path, seed: int = 0) -> Trial:
    (folder / "counting_helper.py").write_text("count = 0\ncounted = []\n")
    return tiny_trial(seed, regulariser={"name": f"{write(folder / 'stateful.py', STATE[what])}:plugin"})


@pytest.mark.parametrize("what", STATE)
def test_a_trial_does_not_depend_on_those_before_it(what: str, tmp_path: Path):
    plain = trained(tiny_trial())
    alone = trained(with_state(what, tmp_path))
    trained(with_state(what, tmp_path, seed=1))
    assert_same_bits(alone, trained(with_state(what, tmp_path)))
    assert_same_bits(plain, trained(tiny_trial()))


def test_an_import_of_the_users_own_is_not_the_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Somebody who works in a notebook has the same module, and keeps it as it is."""
    trial = with_state("a module beside it", tmp_path)
    alone = trained(trial)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "counting_helper", raising=False)
    import counting_helper  # type: ignore[import-not-found]

    counting_helper.count = 1000
    path = list(sys.path)
    assert_same_bits(alone, trained(trial))
    assert counting_helper.count == 1000
    assert sys.modules.pop("counting_helper") is counting_helper
    assert sys.path == path


def test_an_edit_of_the_same_length_in_the_same_moment_is_seen(tmp_path: Path):
    """Python's compiled files tell versions apart by size and second; what runs is the text that was declared."""
    file, helper = tmp_path / "edited_plugin.py", tmp_path / "edited_helper.py"
    file.write_text("from edited_helper import value\ndef term(step):\n    return value\n")
    for value in ("1", "2"):
        helper.write_text(f"value = {value}\n")
        os.utime(helper, (1_700_000_000 + int(value) / 10, 1_700_000_000 + int(value) / 10))
        assert load_plugin(PluginRegulariser(name=f"{file}:term"))(None) == int(value)


def test_a_module_with_the_name_of_pythons_is_refused(tmp_path: Path):
    (tmp_path / "statistics.py").write_text("mean = 3\n")
    file = write(tmp_path / "mine.py", "import statistics\ndef plugin(step):\n    return step.outputs.mean()\n")
    with pytest.raises(ValidationErrors, match="'statistics' has the name of a module of Python .*: rename the file"):
        load_plugin(PluginRegulariser(name=f"{file}:plugin"))


def test_a_step_carries_its_number(tmp_path: Path):
    """A tensor, from 1, also where training is continued: a term that is switched on for the fourth step alone."""
    text = (
        "def plugin(step):\n    assert step.number.shape == () and step.number.dtype == torch.int64\n"
        "    return torch.where(step.number == 4, 1.0, 0.0) * step.outputs.square().mean()\n"
    )
    trial = tiny_trial(
        regulariser={"name": f"{write(tmp_path / 'scheduled.py', text)}:plugin"},
        budget={"steps": 6},
        evaluate={"every": 1},
    )
    plain = tiny_trial(budget={"steps": 6}, evaluate={"every": 1})
    assert_same_bits(trained(trial, 3), trained(plain, 3))
    assert not torch.equal(trained(trial, 4)["parameters.0.weight"], trained(plain, 4)["parameters.0.weight"])
    run(trial, tmp_path / "whole")
    for evaluations in (3, 1):
        run_for(trial, tmp_path / "plugins", evaluations)
    run(trial, tmp_path / "plugins")
    assert_same_bits(state(trial, tmp_path / "whole"), state(trial, tmp_path / "plugins"))


WITHOUT_GRADIENT: dict[str, tuple[str, str, str]] = {
    "a detached term": (
        "regulariser",
        "def plugin(step):\n    return step.outputs.square().mean().detach()\n",
        "plugin (useless.py, line 5) returned",
    ),
    "a term of a number": (
        "regulariser",
        "def plugin(step):\n    return torch.tensor(0.1 * step.outputs.norm().item())\n",
        "at step 1, a number that depends on no parameter of the network",
    ),
    "a term of the inputs alone": (
        "regulariser",
        "def plugin(step):\n    return step.x.square().mean()\n",
        "no parameter",
    ),
    "a term that is detached later": (
        "regulariser",
        "def plugin(step):\n    term = step.outputs.square().mean()\n"
        "    return term if step.number < 3 else term.detach()\n",
        "at step 3, a number",
    ),
    "a detached loss": (
        "loss",
        "def plugin(outputs, y):\n    return torch.nn.functional.cross_entropy(outputs.detach(), y)\n",
        "plugin (useless.py, line 5) returned a number that does not depend on the outputs",
    ),
    "a loss that counts": (
        "loss",
        "def plugin(outputs, y):\n    return (outputs.argmax(1) == y).float().mean()\n",
        "does not depend on the outputs",
    ),
    "a detached model": (
        "model",
        "class plugin(torch.nn.Linear):\n    def __init__(self, input_shape, num_outputs):\n"
        "        super().__init__(64, num_outputs)\n"
        "    def forward(self, x):\n        return super().forward(x.flatten(1)).detach()\n",
        "plugin (useless.py, line 5) gives outputs that depend on no parameter",
    ),
    "a model without parameters": (
        "model",
        "class plugin(torch.nn.Module):\n    def __init__(self, input_shape, num_outputs):\n"
        "        super().__init__()\n        self.w = torch.randn(64, num_outputs)\n"
        "    def forward(self, x):\n        return x.flatten(1) @ self.w\n",
        "plugin (useless.py, line 5) has no parameter that requires a gradient: there is nothing to train",
    ),
}


@pytest.mark.parametrize("what", WITHOUT_GRADIENT)
def test_what_cannot_change_the_training_is_refused(what: str, tmp_path: Path):
    field, text, told = WITHOUT_GRADIENT[what]
    trial = tiny_trial(**{field: {"name": f"{write(tmp_path / 'useless.py', text)}:plugin"}})
    with pytest.raises(ValidationErrors) as raised:
        trained(trial)
    assert told in str(raised.value)


@pytest.mark.parametrize("term", ["step.outputs.new_zeros(())", "torch.relu(step.outputs - 1e9).mean()"])
def test_a_term_of_zero_may_be_meant(term: str, tmp_path: Path):
    text = f"def plugin(step):\n    return step.outputs.mean() if step.number > 4 else {term}\n"
    trained(tiny_trial(regulariser={"name": f"{write(tmp_path / 'later.py', text)}:plugin"}))


WRITING: dict[str, tuple[str, str]] = {
    "a regulariser, into classes": (
        "regulariser",
        "def plugin(step):\n    y = step.y{end}\n    y.zero_()\n    return step.outputs.mean()\n",
    ),
    "a regulariser, into examples": (
        "regulariser",
        "def plugin(step):\n    x = step.x{end}\n    x.mul_(2)\n    return step.outputs.mean() * x.mean()\n",
    ),
    "a loss": ("loss", "def plugin(outputs, y):\n    y = y{end}\n    y.add_(-y)\n    return outputs.square().mean()\n"),
    "a model": (
        "model",
        "class plugin(torch.nn.Linear):\n    def __init__(self, input_shape, num_outputs):\n"
        "        super().__init__(64, num_outputs)\n"
        "    def forward(self, x):\n        x = x{end}\n        x -= 0.5\n"
        "        return super().forward(x.flatten(1))\n",
    ),
}


@pytest.mark.parametrize("what", WRITING)
def test_a_plugin_that_writes_into_examples_or_classes_has_copies(what: str, tmp_path: Path):
    """The same as one that works on a copy; the data is that of every trial of the process."""
    plain = trained(tiny_trial())
    field, text = WRITING[what]

    def written(end: str) -> dict[str, torch.Tensor]:
        file = write(tmp_path / "writing.py", text.format(end=end))
        return trained(tiny_trial(**{field: {"name": f"{file}:plugin"}}))

    assert_same_bits(written(".clone()"), written(""))
    assert_same_bits(plain, trained(tiny_trial()))
