"""Puts a report together."""

from collections import Counter

from grokgrid.analyses.accelerations import acceleration_section
from grokgrid.analyses.arms_by_setting import table_section
from grokgrid.analyses.assessed import assessments_section
from grokgrid.analyses.curves import curves_section
from grokgrid.analyses.headlines import headline
from grokgrid.analyses.heat_maps import heat_map_section
from grokgrid.analyses.lambda_curves import lambda_curve_section
from grokgrid.analyses.measurements import measurements_section
from grokgrid.analyses.panels import panels_section
from grokgrid.analyses.parts import Report, Section
from grokgrid.analyses.reaching import reaching_section
from grokgrid.analyses.robustness_curves import robustness_section
from grokgrid.analyses.scatter import scatter_section
from grokgrid.analyses.statements import statements_section
from grokgrid.analyses.strengths import lambda_curves
from grokgrid.analyses.trials import trials_section
from grokgrid.results import Results
from search_spaces.analyses import (
    Acceleration,
    Analysis,
    ArmsBySetting,
    Curves,
    HeatMap,
    LambdaCurve,
    Measurements,
    Panels,
    RobustnessCurve,
    Scatter,
    Statement,
)

PICTURES = Panels | Scatter | HeatMap
"""What says nothing in the headline where any other analysis does."""


def make_report(results: Results) -> Report:
    """Whatever there is to say, also of a study that still runs or has not begun."""
    sections: list[Section] = []
    compares_times = False
    names: Counter[str] = Counter()
    statements = [analysis for analysis in results.study.analyses if isinstance(analysis, Statement)]
    for analysis in results.study.analyses:
        if isinstance(analysis, Statement):
            # All of them are one section, where the first one stands.
            sections += [statements_section(results, statements)] if analysis is statements[0] else []
            compares_times = True
            continue
        # A second analysis of a kind, with another baseline say, keeps its tables and metrics apart.
        names[analysis.kind] += 1
        num = names[analysis.kind]
        section = _section(results, analysis, analysis.kind if num == 1 else f"{analysis.kind}-{num}")
        compares_times |= isinstance(analysis, Acceleration | LambdaCurve) and bool(section.sentence)
        sections.append(section)
    if results.study.goal is not None:
        first_curves = next((i for i, section in enumerate(sections) if section.title == "Curves"), len(sections))
        sections.insert(first_curves, reaching_section(results, is_told=not compares_times))
    if results.assessments is not None:
        sections.append(assessments_section(results))
    sections.append(trials_section(results))
    return Report(results.study, results.at, headline(results, sections), tuple(sections))


def _section(results: Results, analysis: Analysis, name: str) -> Section:
    if isinstance(analysis, Acceleration):
        return acceleration_section(results, analysis, name=name)
    if isinstance(analysis, Curves):
        at_end = Measurements | RobustnessCurve | Statement
        is_told = results.study.goal is None and not any(isinstance(a, at_end) for a in results.study.analyses)
        return curves_section(results, analysis, name=name, is_told=is_told)
    if isinstance(analysis, Measurements):
        # A table that compares the same metric says more.
        compared = {a.metric for a in results.study.analyses if isinstance(a, ArmsBySetting) and a.baseline is not None}
        is_told = analysis.baseline is not None or analysis.metrics[0] not in compared
        return measurements_section(results, analysis, name=name, is_told=is_told)
    if isinstance(analysis, ArmsBySetting):
        return table_section(results, analysis, name=name)
    if isinstance(analysis, PICTURES):
        return _picture(results, analysis, name)
    if isinstance(analysis, RobustnessCurve):
        return robustness_section(results, analysis, name=name)
    assert isinstance(analysis, LambdaCurve)
    return lambda_curve_section(results, lambda_curves(results, analysis), name=name)


def _picture(results: Results, analysis: Panels | Scatter | HeatMap, name: str) -> Section:
    """The first of a study that asks for nothing but pictures is what the headline is of."""
    analyses = results.study.analyses
    only_pictures = results.study.goal is None and all(isinstance(each, PICTURES) for each in analyses)
    is_told = only_pictures and analysis is analyses[0]
    if isinstance(analysis, Panels):
        return panels_section(results, analysis, name=name, is_told=is_told)
    if isinstance(analysis, Scatter):
        return scatter_section(results, analysis, name=name, is_told=is_told)
    return heat_map_section(results, analysis, name=name, is_told=is_told)
