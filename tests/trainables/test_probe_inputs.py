"""What probes get beside the outputs: the network as a function, a generator, a state; and tables of what they give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch
from test_resume import comparable
from tiny_trials import (
    TINY,
    assert_same_bits,
    curves,
    kept,
    latest,
    run,
    run_for,
    state,
    summary,
    tables,
    tiny,
    tiny_trial,
)

from trainables.plugins.rehearsal import rehearse_plugins
from trainables.probes.base import ProbeInput
from trainables.probes.ntk import Ntk
from trainables.probes.plugin import PluginProbe
from trainables.randomness import Stream, generator, words
from trainables.tables import Tables, columns_of
from trainables.training import Training
from trainables.trial import Trial, TrialConfig
from trainables.validation import ValidationErrors, validate

FILE = Path(__file__).with_name("example_plugins.py")
DRIFT: dict[str, Any] = {
    "name": f"{FILE}:Drift",
    "gives": ["far", "seen", "noise"],
    "tables": ["layers"],
    "scale": 2.0,
    "every": 2,
}
NOISE: dict[str, Any] = {"name": "noise_accuracy", "scales": [1.0, 3.0]}
NTK: dict[str, Any] = {"name": "ntk", "num_points": 6}


def written(folder: Path, code: str) -> str:
    """The start of the name of a plugin with this code."""
    (folder / "mine.py").write_text("import numpy as np\nimport torch\n\n\n" + code)
    return f"{folder / 'mine.py'}:"


def table(trial: Trial, root: Path, name: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = pyarrow.parquet.read_table(
        latest(trial, root).tables_path / f"{name}.parquet"
    ).to_pydict()
    return found


def measured(probe: dict[str, Any], root: Path, **settings: Any) -> list[dict[str, float]]:
    """At each evaluation, of what this probe measures."""
    trial = tiny_trial(probes=[probe], **settings)
    names = [name for each in trial.config.probes for name in each.metrics]
    return [{n: v for n, v in evaluation.values.items() if n in names} for evaluation in run(trial, root)]


def seen(training: Training) -> ProbeInput:
    """What a probe sees of the test examples."""
    return training._measuring._seen("test", training._now())


class TestTheNetwork:
    @pytest.fixture
    def training(self) -> Training:
        trial = tiny_trial(probes=[NTK], model={"name": f"{FILE}:Net"}, dtype="float64")
        training = Training(trial, torch.device("cpu"))
        training.advance(7)
        return training

    @pytest.fixture
    def at(self, training: Training) -> ProbeInput:
        return seen(training)

    def test_is_f_at_the_trials_parameters(self, at: ProbeInput):
        """With its running averages, and in evaluation mode: an example's outputs do not depend on the others."""
        assert torch.equal(at.network(at.parameters, at.x), at.f(at.x))
        torch.testing.assert_close(at.network(at.parameters, at.x[:1]), at.f(at.x)[:1], rtol=1e-12, atol=1e-12)

    def test_is_differentiable_by_parameters_and_inputs(self, at: ProbeInput):
        def loss(parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
            return at.loss(at.network(parameters, x), at.y)

        by_both = torch.func.grad(loss, argnums=(0, 1))(dict(at.parameters), at.x)
        leaves = {name: p.clone().requires_grad_() for name, p in at.parameters.items()}
        x = at.x.clone().requires_grad_()
        loss(leaves, x).backward()
        for name, leaf in leaves.items():
            torch.testing.assert_close(by_both[0][name], leaf.grad, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(by_both[1], x.grad, rtol=1e-10, atol=1e-12)

    def test_other_parameters_leave_the_trial_alone(self, training: Training, at: ProbeInput):
        before = {name: tensor.clone() for name, tensor in training.state().items()}
        other = at.network({name: 0 * p for name, p in at.parameters.items()}, at.x)
        assert not other.any()
        assert_same_bits(training.state(), before)


class TestTheGenerator:
    def test_is_that_of_seed_step_and_probe(self, tmp_path: Path):
        """Written out by hand for one evaluation."""
        trial = tiny_trial(seed=3, probes=[NOISE], evaluate={"every": 1}, budget={"epochs": 1})
        (found,) = run(trial, tmp_path)
        training = Training(trial, torch.device("cpu"))
        training.advance(3)
        at = seen(training)
        index = words("test_noise_accuracy_1.0, test_noise_accuracy_3.0")
        noise = torch.randn(at.x.shape, generator=generator(3, Stream.PROBES, 3, *index))
        for scale in (1.0, 3.0):
            expected = float((at.f(at.x + scale * noise).argmax(1) == at.y).double().mean())
            assert found.values[f"test_noise_accuracy_{scale}"] == expected

    def test_draws_anew_at_every_evaluation_and_for_every_seed(self):
        drawn = []
        for seed in (0, 1):
            training = Training(tiny_trial(seed=seed, probes=[NOISE]), torch.device("cpu"))
            (probe,) = training.config.probes
            for _ in range(2):
                at = training._measuring._own(seen(training), probe, {}, training.steps)
                drawn.append(float(torch.rand((), generator=at.generator)))
                training.advance(training.steps + 1)
        assert len(set(drawn)) == 4

    @pytest.mark.parametrize(
        "others",
        [[NTK], [DRIFT], [NOISE | {"on": "train"}, NTK | {"every": 1}]],
        ids=["one", "a plugin", "several"],
    )
    def test_is_independent_of_other_probes_and_of_order(self, others: list[dict[str, Any]], tmp_path: Path):
        """Also of whether there is a plugin, in whose scope a trial then is."""
        names = ("test_noise_accuracy_1.0", "test_noise_accuracy_3.0")

        def of(probes: list[dict[str, Any]], folder: str) -> list[list[float]]:
            return [[e.values[name] for name in names] for e in run(tiny_trial(probes=probes), tmp_path / folder)]

        alone = of([NOISE], "alone")
        assert of([*others, NOISE], "after") == of([NOISE, *others], "before") == alone
        assert len({tuple(each) for each in alone}) > 1

    def test_is_made_for_none_that_draws_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        made: list[int] = []

        def counting(seed: int, stream: Stream, *index: int, **more: Any) -> torch.Generator:
            made.append(stream)
            return generator(seed, stream, *index, **more)

        monkeypatch.setattr("trainables.measuring.generator", counting)
        probes = [NTK, {"name": "centroid", "num_points": 5}, {"name": "jacobian_norm", "num_points": 5}]
        run(tiny_trial(probes=probes), tmp_path / "none")
        assert Stream.PROBES not in made
        run(tiny_trial(probes=[NOISE]), tmp_path / "noise")
        assert made.count(Stream.PROBES) == 5 + 1

    def test_the_measurement_at_the_end_is_that_of_the_last_evaluation(self, tmp_path: Path):
        trial = tiny_trial(probes=[NOISE])
        last = run(trial, tmp_path)[-1]
        assert summary(trial, tmp_path).final == last.values


class TestState:
    def test_begins_before_the_first_step(self, tmp_path: Path):
        """Whenever the first evaluation is."""
        for evaluate in ({"at": [0, 9]}, {"at": [9]}):
            found = measured(NTK | {"every": 1}, tmp_path / str(evaluate), evaluate=evaluate, dtype="float64")
            alignment = [each["train_ntk_alignment_initial"] for each in found]
            assert alignment[-1] < 0.999
            assert alignment[:-1] in ([], [pytest.approx(1)])
        assert measured(NTK, tmp_path / "last", evaluate={"at": [9]}, dtype="float64")[-1] == found[-1]

    def test_is_part_of_snapshots_and_adds_nothing_to_those_of_other_trials(self, tmp_path: Path):
        with_it, plain = tiny_trial(probes=[NTK]), tiny_trial(probes=[NOISE])
        run_for(with_it, tmp_path, 2)
        run_for(plain, tmp_path, 2)
        assert state(with_it, tmp_path).keys() - state(plain, tmp_path).keys() == {"probes.train_ntk_trace.initial"}
        assert not any(name.startswith("probes.") for name in state(plain, tmp_path))

    def test_is_by_an_id_without_dots(self):
        """Names may have some: of two ids, one could begin as the other and a name do."""
        (probe,) = tiny(probes=[NOISE]).probes
        assert probe.announced == ("test_noise_accuracy_1.0", "test_noise_accuracy_3.0")
        assert probe.id == "test_noise_accuracy_1-0"

    def test_is_the_same_whatever_the_order_of_the_probes(self, tmp_path: Path):
        one, other = tiny_trial(probes=[NTK, DRIFT]), tiny_trial(probes=[DRIFT, NTK])
        assert one.key == other.key
        run_for(one, tmp_path / "parts", 3)
        run(other, tmp_path / "parts")
        run(one, tmp_path / "whole")
        assert_same_bits(state(one, tmp_path / "parts"), state(one, tmp_path / "whole"))
        assert comparable(summary(one, tmp_path / "parts")) == comparable(summary(one, tmp_path / "whole"))

    @pytest.mark.parametrize("evaluations", [1, 2, 3, 4])
    def test_that_changes_goes_on_where_a_trial_was_interrupted(self, evaluations: int, tmp_path: Path):
        trial = tiny_trial(probes=[DRIFT], evaluate={"every": 2, "first": 0}, budget={"epochs": 8})
        run_for(trial, tmp_path / "parts", evaluations)
        for root in (tmp_path / "parts", tmp_path / "whole"):
            run(trial, root)
        self.same(trial, tmp_path / "parts", tmp_path / "whole")
        counts = [row[-2] for row in curves(trial, tmp_path / "whole")[1:]]
        assert counts == ["1.0", "", "2.0", "", "3.0"]

    @pytest.mark.parametrize("epochs", [2, 4])
    def test_is_not_changed_by_the_measurement_at_the_end(self, epochs: int, tmp_path: Path):
        """A trial that ended, at an evaluation at which the probe was due or not, goes on as one that never did."""
        evaluate = {"every": 2, "first": 0}
        short = tiny_trial(probes=[DRIFT], evaluate=evaluate, budget={"epochs": epochs})
        trial = tiny_trial(probes=[DRIFT], evaluate=evaluate, budget={"epochs": 8})
        run(short, tmp_path / "parts")
        assert summary(short, tmp_path / "parts").final["train_Drift_seen"] == (3 if epochs == 4 else 2)
        run(trial, tmp_path / "parts")
        run(trial, tmp_path / "whole")
        self.same(trial, tmp_path / "parts", tmp_path / "whole")

    @staticmethod
    def same(trial: Trial, one: Path, other: Path) -> None:
        assert_same_bits(state(trial, one), state(trial, other))
        assert curves(trial, one) == curves(trial, other)
        assert tables(trial, one) == tables(trial, other) and tables(trial, one)
        assert comparable(summary(trial, one)) == comparable(summary(trial, other))

    def test_that_a_plugin_keeps_passes_its_rehearsal(self, tmp_path: Path):
        assert rehearse_plugins({"mine": tiny_trial(probes=[DRIFT])}).warnings == ()

    def test_that_a_plugin_keeps_elsewhere_does_not(self, tmp_path: Path):
        own = written(
            tmp_path,
            "class probe:\n"
            "    def __init__(self):\n        self.count = 0\n"
            "    def init(self, evaluation):\n        return {'count': torch.tensor(0)}\n"
            "    def __call__(self, evaluation):\n        self.count += 1\n        return self.count\n",
        )
        with pytest.raises(
            ValidationErrors, match=r"continued after step 2 .* Keep it in the `state` of .* or a probe"
        ):
            rehearse_plugins({"mine": tiny_trial(probes=[{"name": own + "probe"}])})

    @pytest.mark.parametrize(
        ("init", "call", "wrong"),
        [
            ("return [1]", "return 1", r"probe.init should return a dict of tensors, it returned \[1\]"),
            ("return {'a': 1}", "return 1", r"probe.init should return a dict of tensors"),
            ("return {3: torch.ones(1)}", "return 1", r"has 3 in its state: names are texts"),
            ("return {}", "e.state['a'] = torch.ones(1); return 1", r"has a in its state, which began with none"),
            (
                "return {'a': torch.ones(1)}",
                "e.state.clear(); return 1",
                r"has nothing in its state, which began with a",
            ),
            ("return {'a': torch.ones(1)}", "e.state['a'] = 1; return 1", r"keeps 1 as a: only tensors"),
        ],
    )
    def test_that_no_snapshot_could_hold(self, init: str, call: str, wrong: str, tmp_path: Path):
        own = written(
            tmp_path,
            f"class probe:\n    def init(self, e):\n        {init}\n    def __call__(self, e):\n        {call}\n",
        )
        with pytest.raises(ValidationErrors, match=wrong):
            run(tiny_trial(probes=[{"name": own + "probe", "every": 1}]), tmp_path / "trials")

    def test_may_be_what_a_probe_was_given(self, tmp_path: Path):
        """Tensors that share memory, or belong to a graph: a snapshot has copies."""
        own = written(
            tmp_path,
            "class probe:\n"
            "    def init(self, e):\n        w = next(iter(e.parameters.values()))\n        return {'a': w, 'b': w}\n"
            "    def __call__(self, e):\n        w = next(iter(e.parameters.values())).requires_grad_()\n"
            "        e.state['a'] = e.state['b'] = 2 * w\n        return w.sum()\n",
        )
        trial = tiny_trial(probes=[{"name": own + "probe", "every": 1}])
        run_for(trial, tmp_path / "trials", 2)
        found = state(trial, tmp_path / "trials")
        assert torch.equal(found["probes.train_probe.a"], 2 * found["parameters.0.weight"])


class TestTables:
    def test_have_the_rows_of_every_evaluation_at_which_they_were_due(self, tmp_path: Path):
        trial = tiny_trial(probes=[NTK | {"every": 2}], dtype="float64")
        evaluations = run(trial, tmp_path)
        rows = table(trial, tmp_path, "train_ntk_spectrum")
        assert list(rows) == ["steps", "epochs", "index", "eigenvalue"]
        due = [e for e in evaluations if "train_ntk_trace" in e.values]
        assert [e.epochs for e in due] == [1, 5, 9]
        assert rows["steps"] == [e.steps for e in due for _ in range(6)]
        assert rows["epochs"] == [e.epochs for e in due for _ in range(6)]
        assert rows["index"] == [*range(6)] * 3
        eigenvalues = np.array(rows["eigenvalue"]).reshape(3, 6)
        assert (np.diff(eigenvalues) <= 0).all()
        # The trace of a matrix is the sum of its eigenvalues.
        assert eigenvalues.sum(1).tolist() == pytest.approx([e.values["train_ntk_trace"] for e in due])

    def test_are_not_doubled_at_the_end_nor_filled_where_they_were_not_due(self, tmp_path: Path):
        trial = tiny_trial(probes=[NTK | {"every": 4}], budget={"epochs": 4})
        run(trial, tmp_path)
        assert set(table(trial, tmp_path, "train_ntk_spectrum")["epochs"]) == {1.0}

    def test_of_a_plugin_have_its_columns(self, tmp_path: Path):
        trial = tiny_trial(probes=[DRIFT], budget={"epochs": 1})
        run(trial, tmp_path)
        rows = table(trial, tmp_path, "train_Drift_layers")
        assert list(rows) == ["steps", "epochs", "layer", "norm", "is_large"]
        assert rows["layer"] == [*range(6)] and set(map(type, rows["is_large"])) == {bool}
        far = 2.0 * float(np.linalg.norm(rows["norm"]))
        assert summary(trial, tmp_path).last["train_Drift_far"] == pytest.approx(far, rel=1e-6)

    def test_may_be_all_that_a_probe_gives(self, tmp_path: Path):
        own = written(tmp_path, "def probe(e):\n    return {'points': {'y': e.y[:3]}}\n")
        trial = tiny_trial(probes=[{"name": own + "probe", "tables": ["points"], "every": 1}], budget={"epochs": 1})
        assert rehearse_plugins({"mine": trial}).warnings == ()
        (evaluation,) = run(trial, tmp_path / "trials")
        assert len(table(trial, tmp_path / "trials", "train_probe_points")["y"]) == 3
        assert evaluation.values.keys() == set(tiny().metrics)

    def test_may_be_empty_or_grow(self, tmp_path: Path):
        own = written(
            tmp_path,
            "class probe:\n    def init(self, e):\n        return {'n': torch.tensor(0)}\n    def __call__(self, e):\n"
            "        n = int(e.state['n'])\n        e.state['n'] += 1\n"
            "        return {'t': {'a': torch.arange(n), 'b': torch.zeros(n, dtype=torch.bfloat16)}}\n",
        )
        trial = tiny_trial(probes=[{"name": own + "probe", "tables": ["t"], "every": 1}])
        run_for(trial, tmp_path / "parts", 1)
        run(trial, tmp_path / "parts")
        run(trial, tmp_path / "whole")
        assert tables(trial, tmp_path / "parts") == tables(trial, tmp_path / "whole")
        assert table(trial, tmp_path / "parts", "train_probe_t")["a"] == [0, 0, 1, 0, 1, 2, 0, 1, 2, 3]

    @pytest.mark.parametrize(
        ("given", "wrong"),
        [
            (3, "should be a dict of columns, not 3"),
            ({}, "should be a dict of columns"),
            ({"a": [1, 2]}, r"has \[1, 2\] as column a: it should be numbers"),
            ({"a": torch.ones(2, 2)}, r"an array of shape \(2, 2\) as column a"),
            ({"a": np.array(["x"])}, r"as column a: it should be numbers"),
            ({"a": torch.ones(2), "b": torch.ones(3)}, "columns of different lengths: a has 2, b has 3"),
            ({"steps": torch.ones(2)}, "has a column 'steps': names are texts other than steps and epochs"),
            ({1: torch.ones(2)}, "has a column 1"),
        ],
    )
    def test_what_is_no_table(self, given: Any, wrong: str):
        with pytest.raises(ValidationErrors, match=f"table test_mine .*{wrong}"):
            columns_of("test_mine", given)

    def test_have_the_same_columns_at_all_evaluations(self):
        found = Tables()
        found.add({"t": {"a": np.ones(2), "b": np.ones(2)}}, {"steps": 1, "epochs": 1.0})
        with pytest.raises(ValidationErrors, match="table t has the columns a, c now, before a, b"):
            found.add({"t": {"a": np.ones(2), "c": np.ones(2)}}, {"steps": 5, "epochs": 2.0})

    def test_are_copies(self):
        values = np.ones(2)
        columns = columns_of("t", {"a": values})
        values[0] = 5
        assert columns["a"].tolist() == [1, 1]

    def test_that_were_announced_are_given(self, tmp_path: Path):
        for code in (
            "return {'t': {'a': torch.ones(1)}}",
            "return {'x': 1}",
            "return 1",
            "return {'x': 1, 't': 2, 'u': 3}",
        ):
            own = written(tmp_path, f"def probe(e):\n    {code}\n")
            trial = tiny_trial(probes=[{"name": own + "probe", "gives": ["x"], "tables": ["t"]}])
            wanted = "a dict of numbers for its `gives`, x and columns for its `tables`, t"
            with pytest.raises(ValidationErrors, match=f"probe should return {wanted}, it returned"):
                run(trial, tmp_path / "trials")


def test_a_shipped_probe_gives_exactly_what_it_announces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(change: Callable[[dict[str, Any]], Any]) -> None:
        original = Ntk.measure
        with monkeypatch.context() as patch:
            patch.setattr(Ntk, "measure", lambda self, at: change(dict(original(self, at))))
            with pytest.raises(ValidationErrors, match="ntk measured .*, and says that it measures train_ntk_trace, "):
                run(tiny_trial(probes=[NTK]), tmp_path)

    fails(lambda given: given | {"train_more": 1.0})
    fails(lambda given: {name: value for name, value in given.items() if name != "train_ntk_spectrum"})


@pytest.mark.parametrize(
    ("probes", "wrong"),
    [
        (
            [NTK, NTK | {"num_points": 3}],
            "train_ntk_alignment_initial, .*train_ntk_spectrum.* would be measured by two",
        ),
        ([DRIFT | {"tables": ["far"]}], "'far' is in gives and in tables"),
        ([DRIFT | {"tables": ["a b"]}], "'a b' is not allowed: it should be a name"),
        ([DRIFT | {"tables": ["x" * 100]}], "has 112 characters"),
        ([NOISE | {"scales": []}], "scales"),
        ([NOISE | {"scales": [0.5, 0.5]}], r"scales: 0.5 comes after 0.5"),
        ([NOISE | {"scales": [-0.5]}], r"scales.0"),
        ([NOISE | {"on": "validation"}], "noise_accuracy on validation needs examples held out"),
        ([NTK | {"num_points": 0}], "num_points"),
    ],
)
def test_what_probes_must_not_be(probes: list[dict[str, Any]], wrong: str):
    with pytest.raises(ValidationErrors, match=wrong):
        validate(TrialConfig, TINY | {"probes": probes}, source="trial.yaml")


def test_tables_are_part_of_what_a_probe_is():
    assert tiny_trial(probes=[DRIFT]).key != tiny_trial(probes=[DRIFT | {"tables": ["others"]}]).key
    assert PluginProbe.model_validate(DRIFT | {"gives": []}).id == "train_Drift_layers"


def test_pyarrow_is_not_imported_where_there_are_no_tables(tmp_path: Path):
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from tiny_trials import run, run_for, tiny_trial\n"
        f"trial = tiny_trial(probes=[{NOISE!r}]); root = Path({str(tmp_path)!r})\n"
        "run_for(trial, root, 2); run(trial, root); print('pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_keeping_networks_and_tables_do_not_disturb_each_other(tmp_path: Path):
    trial = tiny_trial(probes=[NTK | {"every": 1}], keep={"every": 1})
    run_for(trial, tmp_path, 2)
    run(trial, tmp_path)
    assert len(kept(trial, tmp_path)) == 5 and tables(trial, tmp_path).keys() == {"train_ntk_spectrum.parquet"}
