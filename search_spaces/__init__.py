"""What to run: the Study format and the library of studies.

    Study, read_study   a question with its arms, grid, seeds, goal and analyses; from Python or from YAML
    library             the studies that ship with grokgrid, plain functions that return a Study

No torch is imported here: listing, showing and planning are quick.
"""

from search_spaces.cells import Cell
from search_spaces.changes import narrow
from search_spaces.reading import digest, pinned, read_study, to_portable_yaml, to_yaml
from search_spaces.study import Study

__all__ = ["Cell", "Study", "digest", "narrow", "pinned", "read_study", "to_portable_yaml", "to_yaml"]
