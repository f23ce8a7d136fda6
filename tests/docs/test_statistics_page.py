"""docs/statistics.md explains what reports print: every column, of imagined studies in which everything happens."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imagined_assessments import Fgsm, Pgd, Transfer, WhiteNoise
from synthetic_results import Outcome, synthetic_results, synthetic_study

from grokgrid.analyses import acceleration_rows, make_report, measurement_rows
from grokgrid.analyses.masking import Seen, Sign
from grokgrid.analyses.wording import BUT_P
from grokgrid.results import State
from grokgrid.statistics import WhyOpen
from search_spaces.predicates import Predicate

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
OF_THE_STUDY = {"arm", "cell", "metric", "strength", "train_accuracy", "test_accuracy"}
"""What a row or a column is about."""

BASELINE: list[Outcome] = [501, 401, (State.CENSORED, 991), 301, 701]
SOONER: list[Outcome] = [101, 91, 111, 71, (State.DIVERGED, 301)]
REFERENCE = {"value": 4.6, "error": 0.4, "source": "Nobody 2025", "arm": "jacobian"}
CLAUSES = [
    {"statistic": "sooner", "arm": "jacobian", "than": "baseline", "metric": "test_accuracy", "above": 0.85},
    {"statistic": "level", "arm": "jacobian", "metric": "test_accuracy", "above": 0.5},
]


def eventful(grid: list[float], analyses: list[dict[str, Any]], **changes: Any) -> Any:
    jacobian: dict[str, Any] = {"regulariser": {"name": "jacobian"}, "grid": {"regulariser.strength": grid}}
    study = synthetic_study(arms={"baseline": {}, "jacobian": jacobian}, analyses=analyses, **changes)
    cells = [cell.name for cell in study.cells]
    return make_report(synthetic_results(study, dict(zip(cells, [BASELINE, *[SOONER] * len(grid)], strict=True))))


def reports() -> Iterator[Any]:
    metrics = {"metrics": ["test_accuracy", "max/test_accuracy"], "baseline": "baseline"}
    acceleration, measurements = {"kind": "acceleration", "baseline": "baseline"}, {"kind": "measurements", **metrics}
    curve = {"kind": "lambda_curve", "arm": "jacobian", "baseline": "baseline", "metrics": ["steps", "test_accuracy"]}
    yield eventful([0.01, 0.1], [acceleration, measurements, curve, {"kind": "curves"}])
    published = [
        REFERENCE | {"measure": "steps"},
        REFERENCE | {"metric": "test_accuracy", "value": 0.9, "error": 0.1},
    ]
    yield eventful([0.01], [acceleration, measurements], reference=published)
    sizes = [Pgd(), WhiteNoise(), Fgsm(), Transfer(), Pgd(label="pgd_l2", norm="l2")]
    yield eventful([0.01], [{"kind": "statement", "sentence": "it is sooner", "that": CLAUSES}])
    yield eventful([0.01, 0.1], [{"kind": "robustness_curve", "baseline": "baseline"}], assessments=sizes)


def is_explained(name: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", PAGE, re.IGNORECASE) is not None


def table_below(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    (section,) = re.findall(rf"^#+ {heading}$(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    rows = [[field.strip() for field in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return rows[2:]


def test_it_has_every_reason_for_which_something_is_open_and_no_other():
    assert sorted(row[0] for row in table_below("Open")) == sorted(WhyOpen)


def test_it_has_every_finding():
    told = " ".join(row[0] for row in table_below("What an interval decides"))
    for finding in [*acceleration_rows.SIDES.values(), *measurement_rows.SIDES.values(), BUT_P, "no clear difference"]:
        assert finding in told
    assert "open" in told


def test_it_has_every_statistic_of_statements():
    known = {kind.model_fields["statistic"].default for kind in Predicate.__subclasses__()}
    rows = itertools.takewhile(lambda row: row[0] != "column", table_below("Statements"))
    assert {name for row in rows for name in row[0].split(", ")} == known


def test_it_has_every_sign_of_masked_gradients():
    assert [each for each in (*Sign, *Seen) if f"*{each}*" not in PAGE] == []


def test_it_has_every_column_that_people_see():
    labels = {c.label for found in reports() for s in found.sections for table in s.tables for c in table.columns}
    told = {label.replace("baseline’s", "BASELINE’s").replace("s baseline", "s BASELINE") for label in labels}
    assert len(told) > 20
    of_the_study = OF_THE_STUDY | {each.title for found in reports() for each in found.study.assessments}
    assert sorted(label for label in told - of_the_study if not is_explained(label)) == []
