"""Puts an answer together."""

from collections import Counter

from grokgrid.analyses.accelerations import acceleration_section
from grokgrid.analyses.curves import curves_section
from grokgrid.analyses.headlines import headline
from grokgrid.analyses.lambda_curves import lambda_curve_section
from grokgrid.analyses.measurements import measurements_section
from grokgrid.analyses.parts import Answer, Section
from grokgrid.analyses.reaching import reaching_section
from grokgrid.analyses.strengths import lambda_curves
from grokgrid.analyses.trials import trials_section
from grokgrid.view import View
from search_spaces.study import Acceleration, Analysis, Curves, Measurements


def answer(view: View) -> Answer:
    """Whatever there is to say, also of a study that still runs or has not begun."""
    sections: list[Section] = []
    compares_times = False
    names: Counter[str] = Counter()
    for analysis in view.study.analyses:
        # A second analysis of a kind, with another baseline say, keeps its tables and metrics apart.
        names[analysis.kind] += 1
        num = names[analysis.kind]
        section = _section(view, analysis, analysis.kind if num == 1 else f"{analysis.kind}-{num}")
        compares_times |= not isinstance(analysis, Curves | Measurements) and bool(section.sentence)
        sections.append(section)
    if view.study.goal is not None:
        first_curves = next((i for i, section in enumerate(sections) if section.title == "Curves"), len(sections))
        sections.insert(first_curves, reaching_section(view, is_told=not compares_times))
    sections.append(trials_section(view))
    return Answer(view.study, view.at, headline(view, sections), tuple(sections))


def _section(view: View, analysis: Analysis, name: str) -> Section:
    if isinstance(analysis, Acceleration):
        return acceleration_section(view, analysis, name=name)
    if isinstance(analysis, Curves):
        is_told = view.study.goal is None and not any(isinstance(a, Measurements) for a in view.study.analyses)
        return curves_section(view, analysis, name=name, is_told=is_told)
    if isinstance(analysis, Measurements):
        return measurements_section(view, analysis, name=name)
    return lambda_curve_section(view, lambda_curves(view, analysis), name=name)
