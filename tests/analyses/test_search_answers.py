"""What the headline says of a search: the choice is a fact, that it is the best is open until the others are out."""

from collections.abc import Sequence
from typing import Any

import pytest
from synthetic_results import synthetic_results, synthetic_study

from grokgrid.analyses import Report
from grokgrid.analyses.searches import search_report
from grokgrid.results import State
from grokgrid.search.objectives import Worth
from grokgrid.search.proposals import Candidate, Fate
from grokgrid.search.searching import Entrant, Searched

SEEDS = 6
BASE = [501, 401, 601, 301, 701]
FAST = [101, 91, 111, 71, 151]


def searched(*candidates: tuple[Fate, Sequence[float]], best: int = 0) -> Searched:
    """candidates: what became of each, and its log times, seed by seed; the i-th has a strength of (i + 1) / 100."""
    search: dict[str, Any] = {
        "arm": "jacobian",
        "baseline": "baseline",
        "settings": {"regulariser.strength": {"log_uniform": {"from": 0.001, "to": 1.0}}},
        "seeds": SEEDS,
        "budget": {"trials": 100},
    }
    study = synthetic_study(search=search)
    assert study.search is not None
    entrants, worth = [], {}
    for number, (fate, times) in enumerate(candidates):
        settings = {"regulariser.strength": (number + 1) / 100}
        cell = study.candidate(settings)
        for seed, time in zip(study.search.seed_list, times, strict=False):
            worth[cell.key_of(seed)] = Worth((time,), State.REACHED, 0.1, f"run-{number}-{seed}")
        scores = (sum(times) / len(times),) if times else None
        entrants.append(Entrant(Candidate(number, settings, fate), cell, fate, "", len(times), scores))
    return Searched(study, tuple(entrants), worth, (best,), "", True, ({},))


def said(it: Searched, *, seeds: int = 5) -> Report:
    claim = it.claim
    outcomes = {cell.name: (BASE if cell.arm == "baseline" else FAST)[:seeds] for cell in claim.cells}
    return search_report(it, synthetic_results(claim, outcomes))


def column(found: Report, label: str) -> tuple[str, ...] | None:
    (table,) = (table for section in found.sections for table in section.tables if table.name == "search")
    return {column.label: column.text for column in table.columns}.get(label)


QUICK, OTHER, SLOW = [4.6, 4.5, 4.7, 4.3, 5.0, 4.6], [4.7, 4.4, 4.8, 4.4, 5.1, 4.5], [6.2, 6.0, 6.4, 5.7, 6.6, 6.2]


def test_one_that_alone_had_all_the_seeds_is_not_best_in_all_resamples():
    found = said(searched((Fate.DONE, QUICK), (Fate.OPEN, SLOW[:2])))
    assert column(found, "best in") is None and "search/best/best_in" not in found.metrics
    assert "best in" not in found.headline
    assert found.headline.startswith(
        "Of 2 candidates the search chose jacobian at strength 0.01; whether it is the best is open because another "
        "candidate may be as good (1 not told apart from it). On seeds that had no part in the choice: jacobian "
    )


def test_the_only_candidate_is_not_called_the_best():
    found = said(searched((Fate.DONE, QUICK)))
    assert "whether it is the best is open because no other candidate has had as many seeds. On seeds" in found.headline
    assert column(found, "best in") is None


def test_few_seeds_are_not_resampled():
    found = said(searched((Fate.OPEN, QUICK[:4]), (Fate.OPEN, SLOW[:4])))
    assert column(found, "best in") is None and "best in" not in found.headline


def test_the_share_of_the_headline_is_that_of_the_table():
    found = said(searched((Fate.DONE, QUICK), (Fate.DONE, OTHER), (Fate.OUT, SLOW)))
    shares = column(found, "best in")
    assert shares is not None and shares[0] not in ("100%", "–")
    assert f"chose jacobian at strength 0.01, best in {shares[0]} of resamples of the seeds; whether" in found.headline
    assert found.metrics["search/best/best_in"] == pytest.approx(float(shares[0].rstrip("%")) / 100, abs=0.005)


def test_where_the_others_are_out_nothing_is_open_of_the_choice():
    found = said(searched((Fate.DONE, QUICK), (Fate.OUT, SLOW)))
    assert found.headline.startswith(
        "Of 2 candidates the search chose jacobian at strength 0.01. On seeds that had no part in the choice: jacobian "
    )


def test_a_claim_on_one_seed_is_open():
    found = said(searched((Fate.DONE, QUICK), (Fate.OUT, SLOW)), seeds=1)
    assert "is sooner than baseline is open because one seed shows no spread" in found.headline
