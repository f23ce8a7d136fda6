"""What must hold for a study to run. `run` stops at the first check that fails, and `doctor` reports each of them.

A check returns when all is well; what it raises is a sentence, the same for both.
"""

import os
from pathlib import Path

from grokgrid import home
from grokgrid.engine.interface import EngineError
from grokgrid.machine import is_writable
from grokgrid.tracking import Tracking, TrackingAway, TrackingError
from trainables.validation import Problem, ValidationErrors


def check_before_start(tracking: Tracking, *, searches: bool) -> None:
    """What costs next to nothing, and would else be noticed after the first trial has trained.

    Raises:
        ValidationErrors, TrackingError: somebody must put something right.
        TrackingAway: MLflow cannot be reached.
    """
    check_home(to_write=True)
    check_storage()
    tracking.try_out()
    if searches:
        check_optuna()


def check_home(*, to_write: bool = False) -> None:
    """Raises:
    ValidationErrors: grokgrid's home is not there and cannot be made, or cannot be written to.
    """
    folder = home.home()
    if to_write or not folder.is_dir():
        _check_writable("GROKGRID_HOME", folder)


def check_storage() -> None:
    """Raises:
    ValidationErrors: snapshots cannot be written, or GROKGRID_STORAGE_DAYS is no number.
    """
    home.storage_days()
    _check_writable("GROKGRID_STORAGE", home.storage_root())


def check_optuna() -> None:
    """Raises:
    ValidationErrors, TrackingError: searches cannot be kept.
    TrackingAway: Optuna's database cannot be reached.
    """
    place = home.optuna_storage()
    if "://" not in place and not Path(place).exists():
        _check_writable("GROKGRID_OPTUNA", Path(place).parent)
        return
    from grokgrid.search.proposals import check_storage

    try:
        check_storage(place)
    except TrackingError as error:
        raise TrackingError(f"{error}. GROKGRID_OPTUNA says where searches are kept") from error


def check_device(device: str) -> None:
    """Raises:
    EngineError: torch cannot train on it.
    """
    if device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            raise EngineError("torch finds no CUDA device here; with 0 GPUs a trial it trains on the CPU")


REFUSALS = (ValidationErrors, TrackingError, TrackingAway)
"""What the checks of places raise."""


def sentence(error: BaseException) -> str:
    if isinstance(error, ValidationErrors):
        return "; ".join(map(str, error.problems))
    return str(error)


def _check_writable(variable: str, folder: Path) -> None:
    wrong = is_writable(folder)
    if wrong is None:
        return
    given = os.environ.get(variable)
    what = f"{given!r} is not allowed" if given else f"is not set, and its default {folder} cannot be used"
    raise ValidationErrors("environment", [Problem((variable,), f"{what}: {wrong}. export {variable}=FOLDER")])
