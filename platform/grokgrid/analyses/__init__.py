"""From the view of a study to its answer.

    answer(view)    the one sentence, and sections of tables, figures and notes
    Answer, Section, Table, Column, Figure    what an answer is made of; grokgrid.report shows it

answers         puts it together
comparisons     every cell beside the baseline, paired by seed
accelerations   the table of them; `published` figures beside it
reaching        the fraction of seeds that has reached the goal
curves          metrics against updates
measurements    metrics where trials ended, and differences from a baseline
strengths       metrics at every strength of a method, and the best strength; `lambda_curves` the section of them
searches        a search for the best settings, and what the best come to on other seeds
trials          how many trials are where, and where they ran
headlines       the one sentence
"""

from grokgrid.analyses.answers import answer
from grokgrid.analyses.parts import Answer, Column, Figure, Section, Table

__all__ = ["Answer", "Column", "Figure", "Section", "Table", "answer"]
