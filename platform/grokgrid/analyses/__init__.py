"""From the results of a study to its report.

    make_report(results)    the one sentence, and sections of tables, figures and notes
    Report, Section, Table, Column, Figure    what a report is made of; grokgrid.report shows it

reports         puts it together
comparisons     every cell beside the baseline, paired by seed
accelerations   the table of them; `published` figures beside it
reaching        the fraction of seeds that has reached the goal
curves          metrics against steps
measurements    metrics where trials ended, and differences from a baseline
strengths       metrics at every strength of a method, and the best strength; `lambda_curves` the section of them
robustness      accuracy against the size of a perturbation; `masking` signs that attacks are weak because gradients are
                masked; `robustness_curves` the section of them
statements      sentences, and whether the results agree; `clauses` the figure of each clause, `clause_rows` its texts
searches        a search for the best settings, and what the best come to on other seeds
trials          how many trials are where, and where they ran
headlines       the one sentence
"""

from grokgrid.analyses.parts import Column, Figure, Report, Section, Table
from grokgrid.analyses.reports import make_report

__all__ = ["Report", "Column", "Figure", "Section", "Table", "make_report"]
