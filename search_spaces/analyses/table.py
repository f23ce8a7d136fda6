"""A metric of arms by the values of one setting."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from search_spaces.analyses._checks import not_measured
from search_spaces.analyses.base import Analysis, Content, StudyContent
from search_spaces.search import allowed_like, measured_by
from trainables.validation import Problem, nearest


class ArmsBySetting(Analysis):
    """A metric where training ended as papers print it: arms down, the values of one setting of their grids across, the
    mean over seeds and its 95% interval; with a baseline also the differences from it, paired by seed.

    setting   the path of the setting; arms that have it alone on their grid are in the table
    baseline  the arm with which each other one is compared at the same value of the setting
    null_as   what a value of null is called: `all`, say, where the setting is a number of examples
    """

    kind: Literal["table"] = "table"
    metric: str
    setting: str
    baseline: str | None = None
    null_as: Annotated[str, Field(min_length=1)] = "null"

    @classmethod
    def problems(cls, content: Content, study: StudyContent) -> Iterator[Problem]:
        setting, metric, baseline = (content.get(field) for field in ("setting", "metric", "baseline"))
        on_grids = list(dict.fromkeys(path for cell in study.cells for path, _ in cell.point))
        inside = list(dict.fromkeys(cell.arm for cell in study.cells if [path for path, _ in cell.point] == [setting]))
        if study.cells and isinstance(setting, str) and not inside:
            told = f"; {nearest(setting, on_grids)}" if on_grids else ""
            yield Problem(("setting",), f"{setting!r} is on no arm's grid by itself{told}")
        if study.measured and isinstance(metric, str) and measured_by(metric) not in study.metrics:
            yield not_measured(metric, ("metric",), allowed_like(metric, study.metrics))
        if isinstance(baseline, str) and inside and baseline not in inside:
            wrong = f"{baseline!r} is no arm of the table, which has {setting} alone on its grid"
            yield Problem(("baseline",), f"{wrong}; {nearest(baseline, inside)}")

    @property
    def metrics_named(self) -> tuple[str, ...]:
        return (self.metric,)
