"""A component is one file: placed in its kind's folder it is found, trained with, saved; a wrong one is explained."""

import importlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dropped_in
import pytest
from dropped_in import FILES, NAMES, SETTINGS
from tiny_trials import TINY, assert_same_bits, curves, run, run_for, state, summary, tiny_trial
from typer.testing import CliRunner

from grokgrid.cli import app
from search_spaces import read_study
from trainables.optimisers.base import Optimiser
from trainables.plugins.rehearsal import rehearse_plugins
from trainables.regularisers.base import Regulariser
from trainables.trial import TrialConfig
from trainables.validation import ValidationErrors, validate


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Its subfolders are searched for components, each for those of the kind of its name."""
    root = tmp_path / "components"
    root.mkdir()
    dropped_in.write(root)
    before = set(sys.modules)
    for kind, folders in dropped_in.folders_with(root).items():
        monkeypatch.setattr(importlib.import_module(f"trainables.{kind}"), "__path__", folders)
    yield root
    for name in {name for name in sys.modules if name.startswith("trainables.")} - before:
        package, _, module = name.rpartition(".")
        if str(root) in str(sys.modules[name].__file__):
            delattr(sys.modules[package], module)
            del sys.modules[name]


def refusal(settings: dict[str, Any]) -> str:
    with pytest.raises(ValidationErrors) as raised:
        validate(TrialConfig, TINY | settings, source="trial.yaml")
    return str(raised.value)


class TestAFileInTheFolder:
    def test_of_every_kind_is_trained_with_killed_and_continued_bit_for_bit(self, folder: Path, tmp_path: Path):
        trial = tiny_trial(**SETTINGS)
        evaluations = run(trial, tmp_path / "whole")
        assert "test_confidence" in evaluations[0].values
        killed = subprocess.run([sys.executable, dropped_in.__file__, str(folder), str(tmp_path / "killed")])
        assert killed.returncode == -signal.SIGKILL
        assert 0 < summary(trial, tmp_path / "killed").steps < evaluations[-1].steps
        run(trial, tmp_path / "killed")
        assert_same_bits(state(trial, tmp_path / "whole"), state(trial, tmp_path / "killed"))
        assert curves(trial, tmp_path / "whole") == curves(trial, tmp_path / "killed")

    @pytest.mark.parametrize("field", sorted(set(SETTINGS) - {"batch_size", "data", "model"}))
    def test_has_its_effect(self, folder: Path, field: str, tmp_path: Path):
        """Each of them: without it the trial measures other numbers, or fewer."""
        ours = {**SETTINGS, "budget": {"epochs": 3}}
        rest = {**ours, field: {"loss": "cross_entropy", "optimiser": "adamw", "probes": []}.get(field)}
        with_it, without = (
            run(tiny_trial(**settings), tmp_path / what) for what, settings in (("with", ours), ("without", rest))
        )
        assert with_it[0].values != without[0].values or with_it[-1].values != without[-1].values

    def test_is_listed(self, folder: Path):
        text = CliRunner().invoke(app, ["list", "--components"]).output
        for kind, name in NAMES.items():
            assert f"  {name}  " in text, kind
        assert "Outputs that noise on the inputs changes little." in text
        assert {"smooth", "jacobian"} <= set(Regulariser.names())


class TestAWrongFile:
    def test_two_of_one_name(self, folder: Path):
        twin = folder / "optimisers" / "sgd.py"
        twin.write_text(FILES["optimisers"])
        said = refusal({"optimiser": {"name": "sgd", "lr": 0.1}})
        assert "two components of trainables.optimisers have the name 'sgd'" in said
        assert str(twin) in said and str(Path("trainables") / "optimisers" / "sgd.py") in said

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("x = 1\n", "holds no component of optimisers"),
            (FILES["losses"], "holds no component of optimisers"),
            (FILES["optimisers"].replace("def init", "def initial"), "RMSprop lacks init"),
            (
                FILES["optimisers"] + "class Other(RMSprop):\n    pass\n",
                "more than one component of optimisers: RMSprop, Other",
            ),
        ],
        ids=["empty", "another kind's", "abstract", "two"],
    )
    def test_that_holds_not_one_component(self, folder: Path, text: str, reason: str):
        file = folder / "optimisers" / "wrong.py"
        file.write_text(text)
        said = refusal({"optimiser": {"name": "wrong", "lr": 0.1}})
        assert reason in said and str(file) in said and said.startswith("trial.yaml: optimiser: ")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("import torch\nclass\n", "wrong.py, line 2: SyntaxError: "),
            ("import nothing_like_it\n", "wrong.py, line 1: ModuleNotFoundError: No module named 'nothing_like_it'"),
            ("x = 1\n\nraise SystemExit(3)\n", "wrong.py, line 3: SystemExit: 3"),
            ("from trainables.optimisers import _helper\n", "_helper.py, line 3: SyntaxError: "),
            (
                FILES["optimisers"] + "    size: 'Unknown | None' = None\n",
                "a field of RMSprop has a type that its module does not import at run time",
            ),
        ],
        ids=["syntax", "a library", "its end", "its helper", "a type"],
    )
    def test_that_cannot_be_imported(self, folder: Path, text: str, reason: str):
        file = folder / "optimisers" / "wrong.py"
        file.write_text(text)
        file.with_name("_helper.py").write_text("x = 1\n\nclass\n")
        said = refusal({"optimiser": {"name": "wrong", "lr": 0.1}})
        assert str(file) in said and reason in said

    def test_helpers_are_no_components(self, folder: Path):
        (folder / "optimisers" / "_helper.py").write_text("x = 1\n")
        assert not {"_helper", "base", "plugin", "__init__"} & set(Optimiser.names())


STUDY = """
name: mine
question: Does it?
seeds: 1
trial:
  data: {name: digits, num_train: 70, num_test: 50}
  model: mlp
  loss: cross_entropy
  optimiser: {name: adamw}
  regularisers: {jacobian: {strength: 0.1}}
  budget: {epochs: 3}
arms:
  baseline: {}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "sentences"),
    [
        ("name: adamw", "name: adammw", ["line 9:", "optimiser", "'adammw' is not known; did you mean 'adamw'?"]),
        ("name: adamw", "name: adammw", ["Allowed: adam, adamw, sam, sgd, package.module:object or file.py:object"]),
        ("jacobian: {", "jacobain: {", ["line 10:", "regularisers.jacobain", "did you mean 'jacobian'?"]),
        ("model: mlp", "model: mlpp", ["line 7:", "'mlpp' is not known; did you mean 'mlp'?"]),
    ],
)
def test_an_unknown_name_gets_its_line_the_nearest_and_the_allowed(
    right: str, wrong: str, sentences: list[str], tmp_path: Path
):
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.replace(right, wrong))
    with pytest.raises(ValidationErrors) as raised:
        read_study(file)
    for sentence in sentences:
        assert sentence in str(raised.value)


PLUGINS = """
import torch


class Averaging(torch.optim.Optimizer):
    '''Its state: a float64 tensor, an int64 one, and a plain number, beside float32 parameters.'''

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state |= {"mean": torch.zeros_like(p, dtype=torch.float64), "count": torch.tensor(0), "scale": 1.0}
                state["count"] += 1
                state["scale"] *= 0.9
                state["mean"] += (p.grad.double() - state["mean"]) / 3
                p -= (group["lr"] * (1 + state["scale"] / state["count"]) * state["mean"]).to(p.dtype)


class Cooling(torch.optim.SGD):
    '''Changes its own settings, a number and a tensor of them.'''

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr=lr)
        self.param_groups[0]["total"] = torch.zeros(())

    def step(self):
        super().step()
        for group in self.param_groups:
            group["total"] += self.param_groups[0]["params"][0].detach().sum()
            group["lr"] *= 0.9 if group["total"] > 0 else 0.8


class Widening(torch.optim.Adam):
    def step(self):
        super().step()
        self.param_groups[0]["betas"] = (0.9, 1 - (1 - self.param_groups[0]["betas"][1]) / 2)


def flipped(x, generator, share=0.5):
    rows = torch.rand(len(x), generator=generator, device=x.device) < share
    return torch.where(rows.reshape(-1, *[1] * (x.dim() - 1)), x.flip(-1), x)


def halved(x, generator):
    return x[::2]


def no_optimiser(parameters):
    return [p.sum() for p in parameters]
"""


class TestPlugins:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        file = tmp_path / "plugins.py"
        file.write_text(PLUGINS)
        return file

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize(
        "settings",
        [
            {"optimiser": {"name": "torch.optim:NAdam", "lr": 1e-2}},
            {"optimiser": {"name": "{file}:Averaging", "lr": 1e-2}},
            {"optimiser": {"name": "{file}:Cooling", "lr": 1e-1}},
            {"input_transform": {"name": "{file}:flipped", "share": 0.3}, "shuffle": True},
        ],
        ids=["torch's optimiser", "an optimiser", "one that changes its settings", "an input transform"],
    )
    def test_are_continued_bit_for_bit(self, settings: dict[str, Any], dtype: str, file: Path, tmp_path: Path):
        field = next(iter(settings))
        given = {**settings, field: settings[field] | {"name": settings[field]["name"].format(file=file)}}
        trial = tiny_trial(**given, dtype=dtype)
        run(trial, tmp_path / "whole")
        run_for(trial, tmp_path / "parts", 2)
        run_for(trial, tmp_path / "parts", 1)
        run(trial, tmp_path / "parts")
        assert_same_bits(state(trial, tmp_path / "whole"), state(trial, tmp_path / "parts"))
        assert curves(trial, tmp_path / "whole") == curves(trial, tmp_path / "parts")
        plain = tiny_trial(dtype=dtype)
        run(plain, tmp_path / "plain")
        assert curves(trial, tmp_path / "whole") != curves(plain, tmp_path / "plain")

    def test_that_keep_their_state_pass_their_rehearsal(self, file: Path):
        settings = {"optimiser": {"name": f"{file}:Cooling", "lr": 1e-1}, "input_transform": f"{file}:flipped"}
        assert rehearse_plugins({"mine": tiny_trial(**settings)}).warnings == ()

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            (
                {"optimiser": "{file}:no_optimiser"},
                "no_optimiser should make a torch.optim.Optimizer, it made [",
            ),
            (
                {"optimiser": "{file}:Widening"},
                "keeps 'betas' in its settings, (0.9, 0.9995): tensors and numbers alone can be saved",
            ),
            ({"input_transform": "{file}:halved"}, "halved should return a tensor of shape"),
            ({"optimiser": "{file}:flipped"}, "generator: is missing: flipped needs it"),
        ],
    )
    def test_that_are_not_of_their_kind_are_refused_with_path_and_reason(
        self, settings: dict[str, str], reason: str, file: Path
    ):
        trial = tiny_trial(**{field: name.format(file=file) for field, name in settings.items()})
        with pytest.raises(ValidationErrors) as raised:
            rehearse_plugins({"mine": trial})
        said = str(raised.value)
        assert next(iter(settings)) in said and reason in said
