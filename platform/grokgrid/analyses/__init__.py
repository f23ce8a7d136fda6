"""From the results of a study to its report.

    make_report(results)    the one sentence, and sections of tables, figures and notes
    Report, Section, Table, Column, Figure    what a report is made of; grokgrid.report shows it

reports puts it together. The section of a kind of analysis is in the file that has the kind's name, and is found by it
(`search_spaces/analyses/base.py`); these files rest on others:

acceleration      `comparisons`: every cell beside the baseline, paired by seed; `published` figures beside them
lambda_curve      `strengths`: metrics at every strength of a method, and the best strength
robustness_curve  `robustness`: accuracy against the size of a perturbation; `masking`: signs that attacks are weak
                  because gradients are masked
statement         `clauses`: the figure of each clause; `clause_rows`: its texts
power_law         `slopes`: of a metric along a setting, which statements ask for, too

Sections that no analysis asks for:

reaching   the fraction of seeds that has reached the goal
assessed   which assessments were made
searches   a search for the best settings, and what the best come to on other seeds
trials     how many trials are where, and where they ran
headlines  the one sentence
"""

from grokgrid.analyses.parts import Column, Figure, Report, Section, Table
from grokgrid.analyses.reports import make_report

__all__ = ["Report", "Column", "Figure", "Section", "Table", "make_report"]
