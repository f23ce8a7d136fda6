"""`grokgrid check theory`: what it prints, what it refuses, and its exit codes."""

import re

import pytest
from driver_studies import Grokgrid

from trainables.theory import CHECKS, dynamics


@pytest.fixture
def wide(grokgrid: Grokgrid, monkeypatch: pytest.MonkeyPatch) -> Grokgrid:
    monkeypatch.setenv("COLUMNS", "200")
    return grokgrid


def titles(text: str) -> list[str]:
    """The statements, by the lines that name them."""
    return re.findall(r"^((?:Theorem|Proposition|Corollary|Lemma) \d+) *$", text, re.MULTILINE)


def test_all_statements(wide: Grokgrid):
    ran = wide("check", "theory")
    assert ran.exit_code == 0, ran.output
    assert [title.lower().replace(" ", "-") for title in titles(ran.stdout)] == list(CHECKS)
    assert re.search(r"^mu_x = J'1 +\d\.\de-\d\d +1e-08 +holds", ran.stdout, re.MULTILINE)
    assert re.search(r"^  .*alpha \|x\|\^2 = 0\.81, seed 0", ran.stdout, re.MULTILINE)
    assert "  projected gradient descent vs closed form" in ran.stdout
    assert "Outside the theorem, which needs alpha |x|^2 <= 1" in ran.stdout
    last = ran.stdout.splitlines()[-1]
    assert last == "18 of 18 equations hold; at 5 known limits the paper's words do not hold, as expected."


@pytest.mark.parametrize("written", ["lemma-12", "Lemma 12", "lemma12", "LEMMA_12", " lemma  12 "])
def test_one_statement(written: str, wide: Grokgrid):
    ran = wide("check", "theory", written, "--seed", "7")
    assert ran.exit_code == 0 and titles(ran.stdout) == ["Lemma 12"]
    assert "seed 7" in ran.stdout and "seed 0" not in ran.stdout
    assert ran.stdout.endswith("1 of 1 equation holds.\n")


def test_some_come_once_and_in_the_order_of_the_paper(wide: Grokgrid):
    ran = wide("check", "theory", "lemma-12", "theorem 6", "Lemma 12")
    assert titles(ran.stdout) == ["Theorem 6", "Lemma 12"]


def test_unknown_statements_are_refused_together(grokgrid: Grokgrid):
    one = grokgrid("check", "theory", "lema 12")
    assert one.exit_code == 2 and not one.stdout
    assert one.stderr.startswith(
        "check theory: 'lema 12' is not a statement; did you mean 'lemma-12'? Allowed: theorem-2,"
    )
    assert one.stderr.count("\n") == 1
    two = grokgrid("check", "theory", "theorem 2", "theorem 5", "")
    assert two.exit_code == 2 and not two.stdout
    assert "2 problems" in two.stderr and "'theorem 5'" in two.stderr and "''" in two.stderr


@pytest.mark.parametrize("seed", ["-1", "x", "1.5", "9" * 5000])
def test_a_seed_is_a_whole_number(seed: str, grokgrid: Grokgrid):
    ran = grokgrid("check", "theory", "lemma-12", "--seed", seed)
    assert ran.exit_code == 2 and "whole number, at least 0" in ran.stderr and "Traceback" not in ran.stderr


def test_a_seed_may_be_long(grokgrid: Grokgrid):
    assert grokgrid("check", "theory", "--seed", str(10**30)).exit_code == 0


def test_a_formula_that_does_not_hold_is_exit_code_1(wide: Grokgrid, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dynamics, "squared_error_residuals", dynamics.cross_entropy_residuals)
    ran = wide("check", "theory", "proposition-7")
    assert ran.exit_code == 1
    assert "does not hold" in ran.stdout and ran.stdout.splitlines()[-1].startswith("1 of 2 equations hold;")


def test_a_known_limit_that_does_not_show_is_exit_code_1(wide: Grokgrid, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dynamics, "typeset_residuals", dynamics.cross_entropy_residuals)
    ran = wide("check", "theory", "proposition-7")
    assert ran.exit_code == 1
    assert ran.stdout.splitlines()[-1] == "2 of 2 equations hold; 1 known limit did not show."
