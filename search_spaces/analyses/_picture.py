"""What panels, scatters and heat maps share: they draw, and judge nothing."""

from collections.abc import Iterator, Sequence

from search_spaces.analyses._checks import is_read_of_assessment, not_measured, read_of_assessment
from search_spaces.analyses.base import Analysis, Content, StudyContent
from search_spaces.search import allowed_like, measured_by
from trainables.validation import Problem


class Picture(Analysis):
    """An analysis that says nothing in the headline where any other one does."""

    def is_in_headline(self, analyses: Sequence[Analysis], *, has_goal: bool) -> bool:
        """The first of a study that asks for nothing but pictures."""
        return not has_goal and all(isinstance(each, Picture) for each in analyses) and self is analyses[0]


def problems_of_quantities(content: Content, fields: tuple[str, ...], study: StudyContent) -> Iterator[Problem]:
    """Of fields that hold a metric where training ends, or first/, max/ or min/METRIC."""
    for field in fields:
        metric = content.get(field)
        if not isinstance(metric, str):
            continue
        if is_read_of_assessment(metric, study):
            yield read_of_assessment(metric, (field,))
        elif study.measured and measured_by(metric) not in study.metrics:
            others = () if "/" in metric else study.afterwards
            yield not_measured(metric, (field,), [*allowed_like(metric, study.measured), *others])
