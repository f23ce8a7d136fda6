"""Grokgrid: does a regulariser really help? Methods x lambdas x seeds, run, kept and answered with honest uncertainty.

    run(study)      run what is missing, and answer
    optimise(study) search for the best settings, and hold them against the baseline on fresh seeds
    submit(study, address)      the same on a running Ray cluster, as a job
    plan(study)     what would run
    report(study)   the answer from what is there
    load(study)     the trials as a pandas DataFrame
    view(study)     the trials and their curves
    export(study, folder), import_trials(folder)    trials taken from one MLflow to another

A study is a `search_spaces.Study`, the name of one in the library, or the path of a YAML file.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokgrid.api import Report, export, import_trials, load, optimise, plan, report, run, submit, view

__all__ = ["Report", "export", "import_trials", "load", "optimise", "plan", "report", "run", "submit", "view"]


def __getattr__(name: str) -> Any:
    """Imports the verbs when they are asked for: `grokgrid --help` has no use for them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from grokgrid import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return __all__
