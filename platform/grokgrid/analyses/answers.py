"""Puts an answer together."""

from collections import Counter

from grokgrid.analyses.accelerations import acceleration_section
from grokgrid.analyses.comparisons import compare
from grokgrid.analyses.curves import curves_section
from grokgrid.analyses.headlines import headline
from grokgrid.analyses.lambda_curves import chosen, lambda_curve_section
from grokgrid.analyses.measurements import measurements_section
from grokgrid.analyses.parts import Answer, Section
from grokgrid.analyses.reaching import reaching_section
from grokgrid.analyses.strengths import lambda_curves
from grokgrid.analyses.trials import trials_section
from grokgrid.view import View
from search_spaces.study import Acceleration, Curves, Measurements


def answer(view: View) -> Answer:
    """Whatever there is to say, also of a study that still runs or has not begun."""
    sections: list[Section] = []
    comparisons, choice = None, None
    names: Counter[str] = Counter()
    for analysis in view.study.analyses:
        # A second analysis of a kind, with another baseline say, keeps its tables and metrics apart.
        names[analysis.kind] += 1
        num = names[analysis.kind]
        name = analysis.kind if num == 1 else f"{analysis.kind}-{num}"
        if isinstance(analysis, Acceleration):
            found = compare(view, analysis)
            comparisons = found if comparisons is None else comparisons
            sections.append(acceleration_section(view, analysis, found, name=name))
        elif isinstance(analysis, Curves):
            sections.append(curves_section(view, analysis, name=name))
        elif isinstance(analysis, Measurements):
            sections.append(measurements_section(view, analysis, name=name))
        else:
            curves = lambda_curves(view, analysis)
            choice = choice or chosen(curves)
            sections.append(lambda_curve_section(view, curves, name=name))
    if view.study.goal is not None:
        first_curves = next((i for i, section in enumerate(sections) if section.title == "Curves"), len(sections))
        sections.insert(first_curves, reaching_section(view))
    sections.append(trials_section(view))
    return Answer(view.study, view.at, headline(view, comparisons or (), choice), tuple(sections))
