"""The simulation behind docs/statistics.md: its draws, its table, and that the document holds what was measured."""

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    # By its path: `coverage` is also the name of a well-known package.
    spec = importlib.util.spec_from_file_location("grokgrid_coverage", ROOT / "benchmarks" / "coverage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ratios_have_the_mean_and_spread_that_the_truth_assumes(coverage):
    # 200,000 draws: the standard errors are 0.0022 for the mean and, with kurtosis up to 4.5, 0.0021 for the sd.
    for ratios in coverage.RATIOS:
        draws = coverage.standardised(np.random.default_rng(1), ratios, 200_000)
        assert draws.mean() == pytest.approx(0, abs=0.012)
        assert draws.std() == pytest.approx(1, abs=0.012)


@pytest.fixture
def few(coverage, monkeypatch):
    """The first cells alone, some of each kind."""
    chosen = [
        cell
        for _, cells in itertools.groupby(list(coverage.cells()), key=lambda cell: cell[0]["of"])
        for cell in itertools.islice(cells, 2)
    ]
    monkeypatch.setattr(coverage, "cells", lambda: iter(chosen[:6] + chosen[-2:]))


def test_the_same_seed_gives_the_same_table_and_what_is_there_is_kept(coverage, few, tmp_path: Path):
    quiet, out = Console(quiet=True), tmp_path / "new" / "coverage.csv"
    first = coverage.run(5, 3, out, quiet)
    assert set(first["of"]) == {"acceleration", "verdict", "curve", "time", "fraction"}
    pd.testing.assert_frame_equal(coverage.run(5, 3, tmp_path / "again.csv", quiet), first)
    whole = out.read_text()
    out.write_text("".join(whole.splitlines(keepends=True)[:3]))  # as if interrupted after a cell
    pd.testing.assert_frame_equal(coverage.run(5, 3, out, quiet), first)
    out.write_text(whole.replace("0.", "7."))
    assert (coverage.run(5, 3, out, quiet).select_dtypes("number") > 7).any(axis=None)
    assert not coverage.run(5, 4, out, quiet).equals(first)


def test_too_few_simulations_for_a_table_are_refused_before_any_is_made(coverage, monkeypatch, capsys, tmp_path: Path):
    monkeypatch.setattr(coverage, "run", lambda *_: pytest.fail("simulations were made"))
    out = str(tmp_path / "coverage.csv")
    monkeypatch.setattr("sys.argv", ["coverage.py", "--simulations", "99", "--markdown", "--out", out])
    with pytest.raises(SystemExit) as ended:
        coverage.main()
    assert ended.value.code == 2
    assert "--simulations 99: the tables of --markdown would be empty" in capsys.readouterr().err


def test_so_many_simulations_as_a_table_needs_are_enough(coverage, monkeypatch, capsys, tmp_path: Path):
    chosen = list(itertools.islice(coverage.cells(), 1))
    monkeypatch.setattr(coverage, "cells", lambda: iter(chosen))
    out = str(tmp_path / "coverage.csv")
    monkeypatch.setattr("sys.argv", ["coverage.py", "--simulations", str(coverage.ENOUGH), "--markdown", "--out", out])
    coverage.main()
    assert "| log-normal | none |" in capsys.readouterr().out


def test_the_documentation_holds_what_was_measured(coverage):
    measured = pd.read_csv(ROOT / "docs" / "results" / "coverage.csv")
    cells = {tuple(cell[name] for name in coverage.NAMES) for cell, _ in coverage.cells()}
    assert set(measured[coverage.NAMES].itertuples(index=False, name=None)) == cells
    assert coverage.markdown(measured) in (ROOT / "docs" / "statistics.md").read_text("utf-8")
