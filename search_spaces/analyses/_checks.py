"""Checks that several kinds share: of a list of metrics, and of a baseline."""

from collections.abc import Iterator, Sequence

from search_spaces.analyses.base import Content, StudyContent, metrics_in
from search_spaces.search import allowed_like, measured_by, reading_of
from trainables.validation import Path, Problem, nearest


def problems_of_metrics(content: Content, study: StudyContent, *, beside: Sequence[str] = ()) -> Iterator[Problem]:
    """Of metrics where training ends, or first/, max/ or min/METRIC. beside: names that are known without measuring"""
    if study.measured:
        measured = [*beside, *study.metrics]
        for metric in metrics_in(content):
            if measured_by(metric) not in measured:
                yield not_measured(metric, ("metrics",), allowed_like(metric, measured))
    yield from problems_of_readings(content, study)


def problems_of_readings(content: Content, study: StudyContent) -> Iterator[Problem]:
    """Of readings of what an assessment measures, which is made once."""
    for metric in metrics_in(content):
        if is_read_of_assessment(metric, study):
            yield read_of_assessment(metric, ("metrics",))


def not_measured(metric: str, path: Path, allowed: Sequence[str]) -> Problem:
    return Problem(path, f"{metric!r} is not measured; {nearest(metric, allowed)}")


def is_read_of_assessment(metric: str, study: StudyContent) -> bool:
    """Whether it is first/, max/ or min/ of what an assessment measures."""
    return measured_by(metric) != metric and measured_by(metric) in study.afterwards


def read_of_assessment(metric: str, path: Path) -> Problem:
    none = "first evaluation" if reading_of(metric) == "first" else "extremes over it"
    return Problem(path, f"{metric!r}: an assessment is made once, and has no {none}; write {measured_by(metric)}")


def problems_of_baseline(content: Content, study: StudyContent) -> Iterator[Problem]:
    """Of a baseline that is one cell."""
    baseline = content.get("baseline")
    if not isinstance(baseline, str):
        return
    num_cells = sum(cell.arm == baseline for cell in study.cells)
    if baseline not in study.arms:
        yield Problem(("baseline",), f"{baseline!r} is no arm; {nearest(baseline, study.arms)}")
    elif num_cells > 1:
        yield Problem(("baseline",), f"{baseline!r} has a grid of {num_cells} cells; a baseline is one cell")
