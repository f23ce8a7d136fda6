"""Curves side by side."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from search_spaces.analyses._checks import not_measured
from search_spaces.analyses._picture import Picture
from search_spaces.analyses.base import Content, StudyContent, metrics_in
from trainables.configuration import Bool, Config, Float
from trainables.validation import Path, Problem


class Panel(Config):
    """One of several plots side by side.

    metrics  the first is drawn as a solid line, the others dashed
    colour   the metric that colours the markers on the curve of the only one of `metrics`
    shaded   whether the region is shaded here; by default it is, if there is one
    """

    metrics: Annotated[tuple[str, ...], Field(min_length=1, max_length=4)]
    colour: str | None = None
    shaded: Bool | None = None


class Region(Config):
    """The steps at which a metric changes: where |d metric / d log(steps)| of its mean over seeds is more than `share`
    of its maximum.
    """

    metric: str
    share: Annotated[Float, Field(gt=0, lt=1)] = 0.1


class Panels(Picture):
    """Curves side by side on one axis of steps, which begins at step 0 if the evaluations do.

    rows  together: all arms in one row of panels; arms: a row an arm, in which a column's axes have the same limits
    """

    kind: Literal["panels"] = "panels"
    panels: Annotated[tuple[Panel, ...], Field(min_length=1, max_length=4)]
    rows: Literal["together", "arms"] = "together"
    region: Region | None = None

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        region, given = content.get("region"), content.get("panels")
        panels = [
            (index, panel)
            for index, panel in enumerate(given if isinstance(given, list | tuple) else ())
            if isinstance(panel, Mapping)
        ]
        for index, panel in panels:
            for problem in _problems_of_panel(panel, study.measured, has_region=region is not None):
                yield problem.below("panels", index)
        if isinstance(region, Mapping):
            yield from _not_drawn(region.get("metric"), ("region", "metric"), study.measured)
        if region is not None and panels and all(panel.get("shaded") is False for _, panel in panels):
            yield Problem(("region",), "is shaded in no panel: take shaded: false away from one of them")

    @property
    def metrics_named(self) -> tuple[str, ...]:
        drawn = (metric for panel in self.panels for metric in (*panel.metrics, panel.colour))
        return tuple(dict.fromkeys(filter(None, (*drawn, self.region.metric if self.region else None))))


def _problems_of_panel(panel: Content, measured: Sequence[str], *, has_region: bool) -> Iterator[Problem]:
    metrics = metrics_in(panel)
    if twice := sorted({metric for metric in metrics if metrics.count(metric) > 1}):
        yield Problem(("metrics",), f"holds {', '.join(twice)} twice")
    for metric in metrics:
        yield from _not_drawn(metric, ("metrics",), measured)
    yield from _not_drawn(panel.get("colour"), ("colour",), measured)
    if panel.get("colour") is not None and len(metrics) > 1:
        wrong = f"colours the markers of one curve, and metrics holds {len(metrics)}: give a panel for each"
        yield Problem(("colour",), wrong)
    if panel.get("shaded") is True and not has_region:
        yield Problem(("shaded",), "true is not allowed without a region: give region: {metric: …, share: 0.1}")


def _not_drawn(metric: Any, path: Path, measured: Sequence[str]) -> Iterator[Problem]:
    if isinstance(metric, str) and measured and metric not in measured:
        yield not_measured(metric, path, measured)
