"""The house's rules: which way imports point, what touches Ray and MLflow, what starts without torch."""

import ast
import platform as standard_platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from search_spaces.analyses import Analysis

ROOT = Path(__file__).parents[1]
SOURCES = {
    "trainables": ROOT / "trainables",
    "search_spaces": ROOT / "search_spaces",
    "grokgrid": ROOT / "platform" / "grokgrid",
}
FILES = [path for folder in SOURCES.values() for path in sorted(folder.rglob("*.py"))]
GROKGRID = SOURCES["grokgrid"]
KINDS_OF_ANALYSES = [
    path.stem
    for path in sorted((SOURCES["search_spaces"] / "analyses").glob("*.py"))
    if path.stem != "base" and not path.stem.startswith("_")
]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[str]:
    """The full names of all that a file imports, wherever in it, lazily, for types alone, or by `import_module`."""
    package = path.relative_to(GROKGRID.parent if path.is_relative_to(GROKGRID) else ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
                module = ".".join(filter(None, (base, node.module)))
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.Call(
                func=ast.Name("__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(str(name)), *_],
            ):
                yield name


def tops(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def test_there_is_something_to_look_at():
    assert all(any(path.is_relative_to(folder) for path in FILES) for folder in SOURCES.values())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import ray.tune as t, os", {"ray", "os"}),
        ("def f():\n    from mlflow.tracking import MlflowClient", {"mlflow"}),
        ("if TYPE_CHECKING:\n    import pandas", {"pandas"}),
        ("import importlib\nimportlib.import_module('optuna.samplers')", {"importlib", "optuna"}),
        ("__import__('ray')", {"ray"}),
        ("from .records import Evaluation", {"trainables"}),
    ],
)
def test_every_kind_of_import_is_seen(text: str, names: set[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    assert tops(SOURCES["trainables"] / "imagined.py") == names


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_point_from_platform_to_search_spaces_to_trainables(path: Path):
    above = {"trainables": {"search_spaces", "grokgrid"}, "search_spaces": {"grokgrid"}, "grokgrid": set()}
    (layer,) = (name for name, folder in SOURCES.items() if path.is_relative_to(folder))
    assert not tops(path) & above[layer]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_ray_mlflow_and_optuna_have_one_place_each(path: Path):
    where = relative(path)
    allowed = {
        "ray": where.startswith("platform/grokgrid/engine/"),
        "mlflow": where.startswith("platform/grokgrid/tracking/"),
        "optuna": where in ("platform/grokgrid/search/proposals.py", "platform/grokgrid/search/journal.py"),
        "pandas": where.startswith("platform/grokgrid/"),
    }
    assert not {name for name in tops(path) if not allowed.get(name, True)}


def run_python(code: str, *, cwd: Path = ROOT) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, check=True, capture_output=True, text=True, timeout=120
    ).stdout


HEAVY = ("torch", "ray", "mlflow", "optuna", "pandas", "scipy", "sklearn", "matplotlib", "pyarrow")
CONFIGURATION = [
    "trainables",
    "trainables.trial",
    "trainables.records",
    "trainables.evaluations",
    "trainables.reading",
    "trainables.validation",
    "trainables.component",
    "trainables.theory",
    # Every component, adapters of plugins included.
    *(
        f"trainables.{base.parent.name}.{path.stem}"
        for base in sorted(SOURCES["trainables"].glob("*/base.py"))
        for path in sorted(base.parent.glob("*.py"))
        if not path.stem.startswith("_")
    ),
    "search_spaces",
    "search_spaces.library",
    *(f"search_spaces.analyses.{kind}" for kind in KINDS_OF_ANALYSES),
]


def test_configuration_starts_without_torch():
    """One fresh interpreter for all of them, each told when it is the first to bring something heavy in."""
    code = f"""
import importlib, sys
for name in {CONFIGURATION}:
    importlib.import_module(name)
    brought = [heavy for heavy in {HEAVY} if heavy in sys.modules]
    assert not brought, f"{{name}} imports {{brought}}"
print(len({CONFIGURATION}))
"""
    assert len(CONFIGURATION) >= 16
    assert run_python(code) == f"{len(CONFIGURATION)}\n"


@pytest.mark.parametrize("kind", KINDS_OF_ANALYSES)
def test_a_kind_of_analysis_is_two_files_of_its_name(kind: str):
    assert Analysis.of_kind(kind).model_fields["kind"].default == kind
    tree = ast.parse((GROKGRID / "analyses" / f"{kind}.py").read_text())
    (section,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "section")
    assert [each.arg for each in section.args.args] == ["results", "analysis", "name"]


@pytest.mark.parametrize(
    "file",
    [
        "platform/grokgrid/results.py",
        *(f"platform/grokgrid/analyses/{name}.py" for name in ("drawing", "headlines", "reports", "trials")),
        *(f"search_spaces/{name}.py" for name in ("analyses/base", "changes", "references")),
    ],
)
def test_what_serves_all_analyses_knows_no_kind(file: str):
    """So a new kind is nothing that it must be told of."""
    modules = {f"search_spaces.analyses.{kind}" for kind in KINDS_OF_ANALYSES}
    classes = {f"search_spaces.analyses.{Analysis.of_kind(kind).__name__}" for kind in KINDS_OF_ANALYSES}
    assert not set(imported(ROOT / file)) & (modules | classes)


def test_running_a_trial_imports_nothing_of_the_platform():
    """What `python -m trainables` needs on a bare machine: no tracking, no scheduler, no tables."""
    code = """
import sys, trainables.run
print([name for name in ("ray", "mlflow", "optuna", "pandas", "scipy", "sklearn", "torchvision", "grokgrid",
                         "search_spaces", "platformdirs") if name in sys.modules])
"""
    assert run_python(code) == "[]\n"


class TestPlatformIsTheStandardLibrarys:
    """`platform/` is a source root; a package of that name would hide the module that half of Python asks for."""

    standard = Path(sysconfig.get_path("stdlib")).resolve()

    def test_it_is_no_package(self):
        assert not (ROOT / "platform" / "__init__.py").exists()
        assert not (ROOT / "platform.py").exists()

    def test_under_pytest(self):
        assert standard_platform.__file__ is not None
        assert Path(standard_platform.__file__).resolve() == self.standard / "platform.py"

    @pytest.mark.parametrize("cwd", [".", "platform", "tests"])
    def test_from_the_root_and_beside_it(self, cwd: str):
        found = run_python("import platform; print(platform.__file__); platform.system()", cwd=ROOT / cwd)
        assert Path(found.strip()).resolve() == self.standard / "platform.py"

    def test_from_the_root_with_the_command_and_the_package(self):
        code = "import grokgrid, platform; print(platform.__file__)"
        assert Path(run_python(code).strip()).resolve() == self.standard / "platform.py"
