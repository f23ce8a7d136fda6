"""Plugins: they compute what ours would, are saved and continued alike, and what is wrong is told early."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tiny_trials import assert_same_bits, curves, run, run_for, state, tiny_trial
from torch.nn import functional as F

from trainables.plugins.listing import in_file
from trainables.plugins.loading import load_plugin, provide, source_of
from trainables.plugins.rehearsal import check_plugins, rehearse_plugins
from trainables.plugins.scope import Scope
from trainables.plugins.source import read_source
from trainables.regularisers.plugin import PluginRegulariser
from trainables.training import Training
from trainables.trial import Trial
from trainables.validation import Problem, ValidationErrors

FILE = Path(__file__).with_name("example_plugins.py")


def own(object: str, **settings: Any) -> dict[str, Any]:
    return {"name": f"{FILE}:{object}", **settings}


def trained(**settings: Any) -> dict[str, torch.Tensor]:
    training = Training(tiny_trial(**settings), torch.device("cpu"))
    training.advance(7)
    return {name: tensor for name, tensor in training.state().items() if name.startswith("parameters.")}


class TestTheyComputeWhatOursDo:
    def test_data(self):
        assert_same_bits(trained(dtype="float64"), trained(data=own("digits", num_test=50), dtype="float64"))

    def test_loss(self):
        assert_same_bits(trained(), trained(loss=own("cross_entropy")))

    def test_regulariser(self):
        config = {"name": "jacobian", "strength": 0.3, "projections": "exact"}
        ours = trained(regulariser=config, dtype="float64")
        theirs = trained(regulariser=own("exact_jacobian", strength=0.3), dtype="float64")
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
        assert not torch.equal(ours["parameters.0.weight"], trained(dtype="float64")["parameters.0.weight"])

    def test_gradient_filter(self):
        settings = {"decay": 0.8, "gain": 0.1}
        ours = trained(gradient_filter={"name": "ema", **settings}, dtype="float64")
        theirs = trained(gradient_filter=own("ema", **settings), dtype="float64")
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)

    def test_probes(self, tmp_path: Path):
        probes = [own("hits", on="test", every=1), own("weights", gives=["least", "greatest"], every=2)]
        evaluations = run(tiny_trial(probes=probes), tmp_path)
        assert [evaluation.values["test_hits"] for evaluation in evaluations] == [
            evaluation.values["test_accuracy"] for evaluation in evaluations
        ]
        assert [("train_weights_least" in evaluation.values) for evaluation in evaluations] == [
            True,
            False,
            True,
            False,
            True,
        ]
        assert evaluations[0].values["train_weights_least"] < evaluations[0].values["train_weights_greatest"]

    def test_model(self):
        """A loop by hand over the same module, the third batch partial: running averages and all."""
        trial = tiny_trial(model=own("Net"), dtype="float64")
        training = Training(trial, torch.device("cpu"))
        module = load_plugin(trial.config.model)(input_shape=(1, 8, 8), num_outputs=10).double()
        start = training.state()
        module.load_state_dict(
            {n.split(".", 1)[1]: t.clone() for n, t in start.items() if n.startswith(("parameters.", "buffers."))}
        )
        optimiser = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=1e-2)
        x, y = training.data.x_train, training.data.y_train
        for step in range(7):
            rows = slice(32 * (step % 3), 32 * (step % 3) + 32)
            optimiser.zero_grad()
            F.cross_entropy(module(x[rows]), y[rows]).backward()
            optimiser.step()
        training.advance(7)
        ours = {n.split(".", 1)[1]: t for n, t in training.state().items() if n.startswith(("parameters.", "buffers."))}
        theirs = {name: tensor.detach() for name, tensor in module.state_dict().items()}
        # Biases before BatchNorm have no gradient but rounding, which AdamW makes more of.
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)
        # Measured as it is used: with running averages in the place of the batch's own.
        module.eval()
        expected = F.cross_entropy(module(x), y).item()
        assert training.measure(trial.config.all_probes)["train_loss"] == pytest.approx(expected, rel=1e-6)


EVERYTHING = {
    "model": own("Net", dropout=0.3),
    "loss": own("cross_entropy", weight=0.5),
    "regulariser": own("Drawing", strength=0.1),
    "gradient_filter": own("ema", decay=0.8, gain=0.1),
    "probes": [own("hits", every=2)],
}


@pytest.mark.parametrize("evaluations", [1, 3])
def test_a_trial_of_them_continues_bit_for_bit(evaluations: int, tmp_path: Path):
    """Dropout's masks, running averages, the filter's state and what the regulariser draws are all where they were."""
    trial = tiny_trial(**EVERYTHING)
    run(trial, tmp_path / "whole")
    run_for(trial, tmp_path / "parts", evaluations)
    run(trial, tmp_path / "parts")
    assert_same_bits(state(trial, tmp_path / "whole"), state(trial, tmp_path / "parts"))
    assert curves(trial, tmp_path / "whole") == curves(trial, tmp_path / "parts")


def test_initial_weights_and_masks_are_the_seeds(tmp_path: Path):
    first, again, other = (Training(tiny_trial(seed, **EVERYTHING), torch.device("cpu")) for seed in (0, 0, 1))
    torch.manual_seed(7)
    for training in (first, again, other):
        training.advance(2)
    assert_same_bits(first.state(), again.state())
    assert not torch.equal(first.state()["parameters.last.weight"], other.state()["parameters.last.weight"])


class TestSource:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "plugin.py").write_text("import helper\nimport json\nprint('run')\ndef term(step):\n    return 0\n")
        (tmp_path / "helper.py").write_text("from inner.deep import number\n")
        (tmp_path / "inner").mkdir()
        (tmp_path / "inner" / "__init__.py").write_text("")
        (tmp_path / "inner" / "deep.py").write_text("from . import sibling\nnumber = 1\n")
        (tmp_path / "inner" / "sibling.py").write_text("")
        (tmp_path / "stranger.py").write_text("")
        return tmp_path

    def test_is_the_file_and_what_it_imports_beside_it(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        source = read_source(f"{folder}/plugin.py:term")
        files = ["helper.py", "inner/__init__.py", "inner/deep.py", "inner/sibling.py", "plugin.py"]
        assert [path for path, _ in source.files] == files
        assert capsys.readouterr().out == "", "it was run"

    @pytest.mark.parametrize("path", ["plugin.py", "helper.py", "inner/sibling.py"])
    def test_changes_with_any_of_them(self, folder: Path, path: str):
        before = read_source(f"{folder}/plugin.py:term").digest
        with (folder / path).open("a") as file:
            file.write("# changed\n")
        assert read_source(f"{folder}/plugin.py:term").digest != before

    def test_is_the_same_elsewhere(self, folder: Path):
        before = read_source(f"{folder}/plugin.py:term").digest
        moved = folder.rename(folder.with_name("moved"))
        assert read_source(f"{moved}/plugin.py:term").digest == before

    def test_is_the_same_with_the_mark_that_some_editors_put_first(self, folder: Path):
        before = read_source(f"{folder}/plugin.py:term").digest
        (folder / "plugin.py").write_bytes(b"\xef\xbb\xbf" + (folder / "plugin.py").read_bytes())
        assert read_source(f"{folder}/plugin.py:term").digest == before

    def test_of_a_module_in_the_current_folder(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(folder)
        source = read_source("inner.deep:number")
        assert (source.root, source.main) == (folder, "inner/deep.py")
        assert [path for path, _ in source.files] == ["inner/__init__.py", "inner/deep.py", "inner/sibling.py"]

    def test_of_an_installed_package_is_the_module_and_the_version(self):
        source = read_source("torch.nn.modules.loss:CrossEntropyLoss")
        assert [path for path, _ in source.files] == ["torch/nn/modules/loss.py"]
        assert source.version is not None and source.version.startswith("torch ")
        assert replace(source, version="torch 1.0").digest != source.digest

    def test_names_under_if_and_try_and_in_pairs_are_found(self, tmp_path: Path):
        file = tmp_path / "plugin.py"
        file.write_text(
            "try:\n    import nothing_like_it\nexcept ImportError:\n    def one(): pass\n"
            "if True:\n    class Two: pass\nthree, four = 3, 4\ndef outer():\n    def inner(): pass\n"
        )
        for name in ("one", "Two", "three", "four", "outer"):
            assert read_source(f"{file}:{name}").object == name
        with pytest.raises(ValueError, match="defines no 'inner'"):
            read_source(f"{file}:inner")

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("{folder}/prt.py:term", "prt.py is not there"),
            ("{folder}/plugin.py:trm", "plugin.py defines no 'trm'; did you mean 'term'?"),
            ("{folder}/wrong.py:term", "wrong.py, line 2: is not Python"),
            ("no.such.module:term", "no module 'no.such.module' is found; a file is written as file.py:Object"),
        ],
    )
    def test_what_is_not_there_is_told(self, folder: Path, name: str, told: str):
        (folder / "wrong.py").write_text("x = 1\ndef\n")
        with pytest.raises(ValueError, match=".") as raised:
            read_source(name.format(folder=folder))
        assert told in str(raised.value)


class TestKey:
    def test_has_the_source_and_the_settings_and_not_the_place(self, tmp_path: Path):
        def key(file: Path, strength: float) -> str:
            return tiny_trial(regulariser={"name": f"{file}:exact_jacobian", "strength": strength}).key

        copy = tmp_path / FILE.name
        copy.write_text(FILE.read_text())
        assert key(copy, 1) == key(FILE, 1) == key(FILE, 1.0)
        assert key(FILE, 2) != key(FILE, 1)
        copy.write_text(FILE.read_text().replace("1e-8", "1e-9"))
        assert key(copy, 1) != key(FILE, 1)

    def test_is_read_back_from_what_a_trial_leaves_without_the_file(self, tmp_path: Path):
        copy = tmp_path / "gone.py"
        copy.write_text(FILE.read_text())
        trial = tiny_trial(loss={"name": f"{copy}:cross_entropy"})
        copy.unlink()
        assert Trial.model_validate_json(trial.model_dump_json()).key == trial.key


class TestShipped:
    def test_a_process_that_does_not_see_the_files_computes_with_what_it_was_given(self, tmp_path: Path):
        (tmp_path / "shipped_helper.py").write_text("strength = 3.0\n")
        file = tmp_path / "shipped_component.py"
        file.write_text(
            "from shipped_helper import strength\ndef term(step):\n    return strength * step.outputs.mean()\n"
        )
        config = PluginRegulariser(name=f"{file}:term")
        source = source_of(config)
        file.unlink()
        (tmp_path / "shipped_helper.py").unlink()
        with pytest.raises(ValidationErrors, match="is not there"):
            load_plugin(config)
        provide(source)
        assert load_plugin(config).__code__ is not None
        assert source_of(config).root != tmp_path

    def test_another_source_than_the_declared_one_is_refused(self, tmp_path: Path):
        file = tmp_path / "edited.py"
        file.write_text("def term(step):\n    return 0\n")
        config = PluginRegulariser(name=f"{file}:term")
        file.write_text("def term(step):\n    return 1\n")
        with pytest.raises(ValidationErrors, match="it was changed, or is another"):
            load_plugin(config)

    def test_what_was_edited_is_loaded_anew_a_helper_beside_it_too(self, tmp_path: Path):
        file, helper = tmp_path / "main_plugin.py", tmp_path / "helper_of_it.py"
        file.write_text("from helper_of_it import value\ndef term(step):\n    return value\n")
        helper.write_text("value = 1\n")
        assert load_plugin(PluginRegulariser(name=f"{file}:term"))(None) == 1
        file.write_text("from helper_of_it import value\ndef term(step):\n    return 10 * value\n")
        assert load_plugin(PluginRegulariser(name=f"{file}:term"))(None) == 10
        helper.write_text("value = 2\n")
        assert load_plugin(PluginRegulariser(name=f"{file}:term"))(None) == 20

    def test_two_modules_of_one_name_are_refused_in_one_trial(self, tmp_path: Path):
        for folder in ("one", "other"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "same_name.py").write_text(f"value = '{folder}'\n")
            (tmp_path / folder / "plugin.py").write_text(
                "from same_name import value\ndef term(step):\n    return value\n"
            )
        scope = Scope()
        one, other = (PluginRegulariser(name=f"{tmp_path / folder}/plugin.py:term") for folder in ("one", "other"))
        assert (load_plugin(one)(None), load_plugin(other)(None)) == ("one", "other")
        load_plugin(one, scope)
        with pytest.raises(ValidationErrors, match="module 'same_name' is another one for a second plugin"):
            load_plugin(other, scope)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a missing setting": ({"regulariser": own("exact_jacobian")}, "regularisers.exact_jacobian.strength: is missing"),
    "a misspelt one": (
        {"regulariser": own("exact_jacobian", strength=1, strenght=1)},
        "regularisers.exact_jacobian.strenght: is not a setting of exact_jacobian; did you mean 'strength'?",
    ),
    "of a class": ({"regulariser": own("Drawing", level=1)}, "regularisers.Drawing.level: is not a setting of Drawing"),
    "another kind's signature": ({"loss": own("hits")}, "should take (outputs, y) first"),
    "a class that is not called": (
        {"regulariser": own("Path")},
        "regularisers.Path.name: Path is a class without __call__: it should be a function that takes (step), or",
    ),
    "an async function": (
        {"regulariser": own("awaited")},
        "awaited is an async function (`async def`): it should be a plain function",
    ),
    "a generator function": (
        {"loss": own("yielding")},
        "yielding is a generator function (it has a `yield`): it should be",
    ),
    "an async method": ({"input_transform": own("AwaitedCall")}, "AwaitedCall.__call__ is an async function"),
    "a generator function of data": ({"data": own("yielded")}, "yielded is a generator function"),
    "one that closes our stream": (
        {"regulariser": own("closes")},
        "closes (example_plugins.py, line 116) closes sys.stdout, which grokgrid prints to: leave it open",
    ),
    "one that closes the stream behind it": (
        {"regulariser": own("closes_behind")},
        "closes_behind (example_plugins.py, line 121) closes sys.stderr",
    ),
    "no function": (
        {"regulariser": own("nothing")},
        "regularisers.nothing.name: is 3: it should be a function or a class",
    ),
    "a model that is not told the shapes": ({"model": own("digits")}, "should take input_shape, by name"),
    "no scalar": ({"regulariser": own("shapeless")}, "should return one number as a tensor"),
    "outputs of another shape": (
        {"model": own("wide")},
        "wide should map (3, 1, 8, 8) to (3, 10), not a tensor of shape (3, 11)",
    ),
    "no number": ({"probes": [own("weights")]}, "weights should return one number"),
    "other values than it gives": ({"probes": [own("weights", gives=["mean"])]}, "a dict of numbers for its `gives`"),
    "no pair": ({"gradient_filter": own("no_pair")}, "no_pair should return (gradients, state), two dicts"),
    "data that raise": ({"data": own("lost")}, "example_plugins.py, line"),
    "no gradient": ({"gradient_filter": own("no_gradients")}, "gradient as a tensor of shape (12, 64), not as None"),
    "a state of more than tensors": (
        {"gradient_filter": own("counting")},
        "counting should return a state of tensors alone, 'count' is 1",
    ),
    "a class that cannot be made": (
        {"regulariser": own("Unmakeable")},
        "Unmakeable cannot be made: example_plugins.py",
    ),
    "what exits": ({"regulariser": own("exits")}, "SystemExit: 3"),
    "what raises": ({"regulariser": own("broken")}, "example_plugins.py, line"),
}


@pytest.fixture(scope="module")
def all_refused() -> list[Problem]:
    """What is wrong with any of them, by signatures first; and with a plugin that takes one precision alone."""
    trials = {what: tiny_trial(**settings) for what, (settings, _) in WRONG.items()}
    trials |= {dtype: tiny_trial(regulariser=own("single"), dtype=dtype) for dtype in ("float32", "float64")}
    problems: list[Problem] = []
    for check in (check_plugins, rehearse_plugins):
        wrong = {problem.path[0] for problem in problems}
        with pytest.raises(ValidationErrors) as raised:
            check({name: trial for name, trial in trials.items() if name not in wrong})
        problems += raised.value.problems
    return problems


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_plugin_is_told_before_anything_starts(what: str, all_refused: list[Problem]):
    said = [str(problem) for problem in all_refused if problem.path[0] == what]
    assert any(WRONG[what][1] in sentence for sentence in said)
    assert all(len(sentence) < 400 for sentence in said), "not a screen of numbers"


def test_every_combination_is_rehearsed(all_refused: list[Problem]):
    """The plugin is the same in both."""
    (problem,) = (each for each in all_refused if each.path[0] in ("float32", "float64"))
    assert re.match("float64: .*AssertionError", str(problem))


def test_a_file_is_listed_whatever_else_is_in_it(tmp_path: Path):
    file = tmp_path / "odd.py"
    file.write_text("class Wrong(Exception): pass\ndef gone(x): pass\ndel gone\ndef term(step, *, strength): pass\n")
    assert [(plugin.field, plugin.settings) for plugin in in_file(file)] == [("regularisers", "strength")]
    with pytest.raises(ValidationErrors, match="is no .py file"):
        list(in_file(tmp_path / "noext"))


def test_all_problems_are_told_at_once():
    settings = {"regulariser": own("exact_jacobian"), "loss": own("cross_entropy", wait=1)}
    with pytest.raises(ValidationErrors) as raised:
        check_plugins({"arms.mine": tiny_trial(**settings)})
    assert len(raised.value.problems) == 2


def test_a_lambda_is_a_function(tmp_path: Path):
    (tmp_path / "short.py").write_text("term = lambda step: 0 * step.outputs.sum()\n")
    check_plugins({"arms.mine": tiny_trial(regulariser=f"{tmp_path / 'short.py'}:term")})


def test_a_file_without_any_object_says_so(tmp_path: Path):
    (tmp_path / "empty.py").write_text("\n")
    with pytest.raises(ValidationError, match="empty.py defines no 'term'; it defines nothing"):
        tiny_trial(regulariser=f"{tmp_path / 'empty.py'}:term")


class TestWhatPluginsPrint:
    def test_reaches_the_terminal_without_control_characters(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        file = tmp_path / "red.py"
        file.write_text(
            "import sys\nprint('\\x1b[31mimported')\n\n"
            "def term(step):\n    print('\\x1b[2J50%\\r60%\\té', file=sys.stderr)\n    return sys.stdout.isatty()\n"
        )
        assert load_plugin(PluginRegulariser(name=f"{file}:term"))(None) is False
        assert capsys.readouterr() == ("\\x1b[31mimported\n", "\\x1b[2J50%\r60%\té\n")

    @pytest.mark.parametrize("line", ["sys.stdout = None", "sys.stdout = io.StringIO()"])
    def test_goes_where_they_want_it_and_ours_where_we_want_it(
        self, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        file = tmp_path / "replaces.py"
        file.write_text(f"import io, sys\n{line}\ndef term(step):\n    return 1\n")
        stream = sys.stdout
        assert load_plugin(PluginRegulariser(name=f"{file}:term"))(None) == 1
        assert sys.stdout is stream
        print("ours")
        assert capsys.readouterr().out == "ours\n"

    @pytest.mark.parametrize("way", ["sys.stdout.close()", "sys.__stdout__.close()", "os.close(1)"])
    def test_a_file_that_closes_our_stream_is_named(self, way: str, tmp_path: Path):
        """In a process of its own, whose stream it may close."""
        (tmp_path / "closing.py").write_text(f"import os, sys\n{way}\ndef term(step):\n    return 1\n")
        code = (
            "import sys; from trainables.plugins.loading import load_plugin\n"
            "from trainables.regularisers.plugin import PluginRegulariser\n"
            f"try:\n    load_plugin(PluginRegulariser(name={str(tmp_path / 'closing.py')!r} + ':term'))\n"
            "except ValueError as error:\n    print(error, file=sys.stderr)\n"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        assert ran.stderr == "term: name: closing.py closes sys.stdout, which grokgrid prints to: leave it open\n"


def test_a_name_that_is_none_is_told_with_what_is_allowed():
    with pytest.raises(ValidationError, match="a file is written as file.py:Object"):
        tiny_trial(loss="mine.txt:term")


@pytest.fixture(autouse=True)
def _path_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield


def test_what_a_plugin_writes_into_is_its_own(tmp_path: Path):
    """Neither the key, nor the data, nor the weights change under a plugin that is careless with what it is given."""
    file = tmp_path / "careless.py"
    file.write_text(
        "def term(step, *, levels):\n    levels.append(1)\n    return 0 * step.outputs.sum()\n\n"
        "def zero(evaluation):\n    evaluation.x.zero_()\n"
        "    for p in evaluation.parameters.values():\n        p.data.zero_()\n    return 0.0\n"
    )
    careless = tiny_trial(
        regulariser={"name": f"{file}:term", "levels": [1]}, probes=[{"name": f"{file}:zero", "on": "test", "every": 1}]
    )
    key = careless.key
    evaluations = run(careless, tmp_path / "careless")
    assert careless.key == key
    plain = [evaluation.values["test_accuracy"] for evaluation in run(tiny_trial(), tmp_path / "plain")]
    assert [evaluation.values["test_accuracy"] for evaluation in evaluations] == plain
