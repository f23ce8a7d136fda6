"""The settings of analyses, one kind a file: what a report says of a study's results.

A field `analyses` finds a kind by the name of its file, and so needs no entry here: the names below are for studies
written in Python. The section of a kind is the file of the same name in `grokgrid/analyses/`.
"""

from search_spaces.analyses.acceleration import Acceleration
from search_spaces.analyses.base import Analysis
from search_spaces.analyses.curves import Curves
from search_spaces.analyses.heat_map import HeatMap
from search_spaces.analyses.lambda_curve import LambdaCurve
from search_spaces.analyses.measurements import Measurements
from search_spaces.analyses.panels import Panel, Panels, Region
from search_spaces.analyses.power_law import PowerLaw
from search_spaces.analyses.robustness_curve import RobustnessCurve
from search_spaces.analyses.scatter import Scatter
from search_spaces.analyses.statement import Statement
from search_spaces.analyses.table import ArmsBySetting

__all__ = [
    "Acceleration",
    "Analysis",
    "ArmsBySetting",
    "Curves",
    "HeatMap",
    "LambdaCurve",
    "Measurements",
    "Panel",
    "Panels",
    "PowerLaw",
    "Region",
    "RobustnessCurve",
    "Scatter",
    "Statement",
]
