"""The rehearsal: two runs in new processes find what differs by itself, and what a continued trial would lose."""

from pathlib import Path
from typing import Any

import pytest
from tiny_trials import tiny_trial

from trainables.plugins.rehearsal import Rehearsed, rehearse_plugins
from trainables.trial import Trial
from trainables.validation import ValidationErrors

TERM = "def plugin(step):\n    return {} * step.outputs.square().mean()\n"
COUNTER = (
    "count = 0\n\ndef plugin(step):\n    global count\n    count += 1\n    return {} * step.outputs.square().mean()\n"
)
MODEL = (
    "class plugin(torch.nn.Module):\n    def __init__(self, input_shape, num_outputs):\n        super().__init__()\n"
    "        self.linear = torch.nn.Linear(64, num_outputs)\n        self.unused = torch.nn.Linear(2, 2)\n"
    "        self.calls = 0\n"
    "    def forward(self, x):\n        self.calls += 1\n        return self.linear(x.flatten(1)) * {}\n"
)
DATA = (
    "def plugin():\n    rng = np.random.default_rng(0)\n    x = rng.normal(size=(40, 4))\n    y = np.arange(40) % 3\n"
    "    {}\n    return {{'x_train': x[:20], 'y_train': y[:20], 'x_test': x[20:], 'y_test': y[20:]}}\n"
)
DIFFERS = "plugin ({file}, line"

REFUSED: dict[str, tuple[str, str, list[str]]] = {
    "a generator without a seed": (
        "regulariser",
        TERM.format("np.random.default_rng().random()"),
        ["regulariser", "plugin ({file}, line 13) gives something else at step 1 in two runs of one seed"],
    ),
    "the time": ("regulariser", TERM.format("time.perf_counter()"), [DIFFERS, "two runs of one seed"]),
    "the order of a set": (
        "regulariser",
        TERM.format("list({'left', 'right', 'up', 'down', 'in', 'out'}).index('up')"),
        [DIFFERS, "two runs of one seed", "sort sets"],
    ),
    "a hash": (
        "loss",
        "def plugin(outputs, y):\n    return outputs.square().mean() * (hash('a') % 1000)\n",
        ["loss", DIFFERS],
    ),
    "an address": ("regulariser", TERM.format("(id(object()) % 1e9)"), [DIFFERS, "two runs of one seed"]),
    "the process": ("regulariser", TERM.format("os.getpid()"), [DIFFERS, "two runs of one seed"]),
    "a thread": (
        "regulariser",
        "def plugin(step):\n    found = []\n"
        "    thread = threading.Thread(target=lambda: found.append(os.urandom(1)[0]))\n"
        "    thread.start()\n    thread.join()\n    return found[0] * step.outputs.mean()\n",
        [DIFFERS, "two runs of one seed"],
    ),
    "a probe with a random start": (
        "probes",
        "def plugin(evaluation):\n    start = np.random.default_rng().random(evaluation.x.shape)\n"
        "    return evaluation.f(evaluation.x + torch.as_tensor(start, dtype=evaluation.x.dtype)).mean()\n",
        ["probes", DIFFERS, "two runs of one seed"],
    ),
    "a backward pass": (
        "loss",
        "class Noisy(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x):\n        return x.clone()\n"
        "    @staticmethod\n    def backward(ctx, g):\n        return g * os.urandom(1)[0]\n\n"
        "def plugin(outputs, y):\n    return Noisy.apply(outputs).square().mean()\n",
        [DIFFERS, "two runs of one seed"],
    ),
    "a model's initial weights": (
        "model",
        MODEL.format("1")
        .replace("self.calls = 0\n", "self.linear.weight.data *= os.urandom(1)[0]\n")
        .replace("self.calls += 1", "pass"),
        ["model", DIFFERS, "two runs of one seed"],
    ),
    "a counter in a module": (
        "regulariser",
        COUNTER.format("count"),
        ["regulariser", "continued after step 2", "keeps something that is not part of a snapshot, in `count`"],
    ),
    "an attribute": ("model", MODEL.format("(1 + self.calls)"), ["model", "continued after step 2", "`plugin.calls`"]),
    "a default argument": (
        "regulariser",
        "def plugin(step, *, seen=[]):\n    seen.append(1)\n    return len(seen) * step.outputs.mean()\n",
        ["continued after step 2", "`the defaults of plugin`"],
    ),
    "a cache of what was drawn": (
        "regulariser",
        "@functools.lru_cache\ndef weight(shape):\n    return torch.rand(shape)\n\n"
        "def plugin(step):\n    return (weight(step.outputs.shape) * step.outputs).mean()\n",
        ["regulariser", "continued after step 2"],
    ),
    "a filter that keeps an average to itself": (
        "gradient_filter",
        "class plugin:\n    def __init__(self):\n        self.mean = {}\n    def __call__(self, gradients, state):\n"
        "        for n, g in gradients.items():\n            self.mean[n] = 0.5 * self.mean.get(n, 0) + g\n"
        "        return dict(self.mean), state\n",
        ["gradient_filter", "continued after step 2"],
    ),
    "a detached term": (
        "regulariser",
        "def plugin(step):\n    return step.outputs.square().mean().detach()\n",
        ["regulariser", "plugin ({file}, line 13) returned", "depends on no parameter of the network"],
    ),
    "a term of nothing": (
        "regulariser",
        "def plugin(step):\n    return torch.zeros(())\n",
        ["on no parameter of the network"],
    ),
    "a term of parameters of its own": (
        "regulariser",
        "class plugin:\n    def __init__(self):\n        self.w = torch.ones((), requires_grad=True)\n"
        "    def __call__(self, step):\n        return self.w * step.outputs.detach().mean()\n",
        ["on no parameter of the network"],
    ),
    "a term that is detached in the end": (
        "regulariser",
        "def plugin(step):\n    term = step.outputs.square().mean()\n"
        "    return term.detach() if step.number > 900 else term\n",
        ["at step 1000, a number that depends on no parameter"],
    ),
    "a batch of its own size": (
        "regulariser",
        "def plugin(step):\n    assert len(step.x) < 32\n    return step.outputs.square().mean()\n",
        ["one step of its own size fails: {file}, line 14: AssertionError"],
    ),
    "the last batch": (
        "regulariser",
        "def plugin(step):\n    assert len(step.x) != 6\n    return step.outputs.square().mean()\n",
        ["one step of its own size fails: {file}, line 14: AssertionError"],
    ),
} | {
    f"data: {draw}": (
        "data",
        DATA.format(draw),
        [f"data: plugin ({{file}}, line 13) makes other data at every call, {arrays}"],
    )
    for draw, arrays in {
        "x += np.random.default_rng().normal(size=x.shape)": "x_train and x_test here",
        "x[25:] += np.random.rand()": "x_test here",
        "y = (y + torch.randint(2, (40,)).numpy()) % 3": "y_train and y_test here",
        "x[0, 0] = random.random()": "x_train here",
        "x[-1, 0] = time.time() % 1": "x_test here",
        "x[:2] = x[[list({'a', 'b', 'c', 'd'}).index('a'), 4]]": "x_train here",
    }.items()
}


def trial(field: str, text: str, file: Path, **settings: Any) -> Trial:
    imports = ["functools", "hashlib", "os", "random", "threading", "time", "numpy as np", "torch"]
    file.write_text("".join(f"import {each}\n" for each in imports) + "\n" * 4 + text)
    plugin: dict[str, Any] = {"name": f"{file}:plugin"}
    spacing = {"budget": {"steps": 1000}, "evaluate": {"every": 111}}
    return tiny_trial(**{field: [plugin] if field == "probes" else plugin} | spacing | settings)


def in_files(plugins: dict[str, tuple[str, str]], folder: Path) -> dict[str, Trial]:
    """A file each, for messages name it."""
    return {
        what: trial(field, text, folder / f"plugin{number}.py", **({"batch_size": 8} if field == "data" else {}))
        for number, (what, (field, text)) in enumerate(plugins.items())
    }


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is wrong with any of them, found in one rehearsal."""
    trials = in_files({what: case[:2] for what, case in REFUSED.items()}, tmp_path_factory.mktemp("refused"))
    with pytest.raises(ValidationErrors) as raised:
        rehearse_plugins(trials)
    return {str(problem.path[0]): str(problem) for problem in raised.value.problems}


@pytest.mark.parametrize("what", REFUSED)
def test_what_gives_another_result_for_the_same_key_is_refused(what: str, refusals: dict[str, str]):
    for words in REFUSED[what][2]:
        assert words.format(file=f"plugin{[*REFUSED].index(what)}.py") in refusals[what]


@pytest.fixture(scope="module")
def warned(tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    plugins = {
        "a counter": ("regulariser", COUNTER.format("(1 + (count > 5000))")),
        "no gradient here": ("regulariser", "def plugin(step):\n    return torch.relu(step.outputs - 1e9).mean()\n"),
        "does nothing": ("gradient_filter", "def plugin(gradients, state):\n    return gradients, state\n"),
        "later": ("regulariser", TERM.format("torch.where(step.number > 999, 1.0, 0.0)")),
        "seeded draws": ("regulariser", TERM.format("random.random() * np.random.rand() * torch.rand(())")),
        "unused": ("model", MODEL.format("1").replace("self.calls += 1", "pass")),
        "data": ("data", DATA.format("")),
    }
    return rehearse_plugins(in_files(plugins, tmp_path_factory.mktemp("warned")))


@pytest.mark.parametrize(
    "words",
    [
        "`count` changed between two steps and is not part of a snapshot",
        "plugin (plugin1.py, line 13) had a gradient of exactly zero in all steps of a rehearsal",
        "plugin (plugin2.py, line 13) returned its gradients unchanged",
        "plugin (plugin5.py, line 13) has parameters that got no gradient: unused.weight, unused.bias",
    ],
)
def test_what_may_be_meant_is_a_warning(words: str, warned: Rehearsed):
    assert len(warned.warnings) == 4, "terms of later steps, seeded draws and data with a seed are well"
    assert any(words in warning for warning in warned.warnings)


@pytest.mark.slow
def test_what_a_plugin_starts_ends_with_the_rehearsal(tmp_path: Path):
    """And holds nothing up: it would sleep for a quarter of an hour."""
    text = (
        "import subprocess\n\ndef plugin(step):\n    child = subprocess.Popen(['sleep', '987.125'], close_fds=False)\n"
        "    return step.outputs.square().mean()\n"
    )
    assert rehearse_plugins({"mine": trial("regulariser", text, tmp_path / "plugin.py")}).warnings == ()
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"987.125" in command for command in commands)


@pytest.mark.slow
def test_a_process_that_ends_is_refused(tmp_path: Path):
    with pytest.raises(
        ValidationErrors, match=r"plugin \(plugin\.py, line 13\): the process that rehearses ended with exit code 7"
    ):
        rehearse_plugins({"mine": trial("regulariser", "def plugin(step):\n    os._exit(7)\n", tmp_path / "plugin.py")})


@pytest.mark.slow
def test_what_is_not_done_in_time_is_left_out_with_a_warning(tmp_path: Path):
    sleeping = "def plugin(step):\n    time.sleep(1000)\n"
    trials = {
        "quick": trial("regulariser", TERM.format("1"), tmp_path / "quick.py"),
        "slow": trial("regulariser", sleeping, tmp_path / "slow.py"),
    }
    (warning,) = rehearse_plugins(trials, limit_s=15.0).warnings
    assert warning == "the rehearsal of plugins was cut short after 15 s: slow not at all"
