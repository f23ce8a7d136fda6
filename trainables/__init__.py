"""What one trial is: its configuration, its computation, its records.

    configuration   TrialConfig, Trial and its key, all without torch: `trial.py`
    computation     data, models, losses, regularisers …, one folder each, joined in `training.py`, driven by `run.py`
    records         what a trial leaves on storage: `records.py`

Nothing here knows Ray, MLflow, Optuna or pandas; `python -m trainables trial.yaml` runs one trial by itself.
"""

from trainables.records import End, Evaluation, Summary, WorkFolder
from trainables.trial import Trial, TrialConfig

__all__ = ["End", "Evaluation", "Summary", "Trial", "TrialConfig", "WorkFolder"]
