"""Everything that touches MLflow. Importing it is cheap: MLflow is imported at the first call that needs it.

Tracking      find, claim, ingest, fail, restore trials; open and read reports
ReportRun     a report being worked on: whose process owns the claims
Report        a finished report
TrialResults         all that is known of some trials, with their evaluations
Label         what people call a work item
Claim, Claims       what came of claiming trials
WorkRecord, WorkStatus    what is known of a trial
TrackingAway  the server or database cannot be reached: try again later
TrackingError something the user has to put right
TrackingRefused  such a thing that the server or database refuses: it may pass while a run waits
TRIALS        the name of the experiment that holds all trials
"""

from grokgrid.tracking.away import TrackingAway, TrackingError, TrackingRefused, is_away, redact
from grokgrid.tracking.claims import Claim, Claims
from grokgrid.tracking.records import TRIALS, Label, WorkRecord, WorkStatus
from grokgrid.tracking.report_runs import Report, ReportRun
from grokgrid.tracking.tracking import Tracking
from grokgrid.tracking.trial_results import TrialResults

__all__ = [
    "TRIALS",
    "Report",
    "ReportRun",
    "Claim",
    "Claims",
    "Label",
    "TrialResults",
    "Tracking",
    "TrackingAway",
    "TrackingError",
    "TrackingRefused",
    "WorkRecord",
    "WorkStatus",
    "is_away",
    "redact",
]
