"""Puts a report together."""

import importlib
from collections import Counter
from dataclasses import replace

from grokgrid.analyses.assessed import assessments_section
from grokgrid.analyses.headlines import headline
from grokgrid.analyses.parts import Report, Section
from grokgrid.analyses.reaching import reaching_section
from grokgrid.analyses.trials import trials_section
from grokgrid.results import Results
from search_spaces.analyses import Analysis


def make_report(results: Results) -> Report:
    """Whatever there is to say, also of a study that still runs or has not begun."""
    sections: list[Section] = []
    compares_times = False
    names: Counter[str] = Counter()
    for analysis in results.study.analyses:
        names[analysis.kind] += 1
        num = names[analysis.kind]
        if num > 1 and analysis.is_joined:
            continue
        # A second analysis of a kind, with another baseline say, keeps its tables and metrics apart.
        section = _section(results, analysis, analysis.kind if num == 1 else f"{analysis.kind}-{num}")
        compares_times |= analysis.compares_times and bool(section.sentence)
        sections.append(section)
    if results.study.goal is not None:
        first_curves = next((i for i, section in enumerate(sections) if section.title == "Curves"), len(sections))
        sections.insert(first_curves, reaching_section(results, is_in_headline=not compares_times))
    if results.assessments is not None:
        sections.append(assessments_section(results))
    sections.append(trials_section(results))
    return Report(results.study, results.at, headline(results, sections), tuple(sections))


def _section(results: Results, analysis: Analysis, name: str) -> Section:
    """From the file that has the name of the kind. name: begins the names of its tables, figures and metrics"""
    of_kind = importlib.import_module(f"grokgrid.analyses.{analysis.kind}")
    section: Section = of_kind.section(results, analysis, name)
    return section if results.study.is_in_headline(analysis) else replace(section, sentence="")
