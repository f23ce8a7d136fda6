"""Grokgrid: does a regulariser really help? Methods x lambdas x seeds, run, kept and answered with honest uncertainty.

    run(study)      run what is missing, and report
    optimise(study) search for the best settings, and hold them against the baseline on fresh seeds
    submit(study, address)      the same on a running Ray cluster, as a job
    plan(study)     what would run
    report(study)   the report from what is there
    load(study)     the trials as a pandas DataFrame
    results(study)     the trials and their curves
    export(study, folder), import_trials(folder)    trials taken from one MLflow to another

A study is a `search_spaces.Study`, the name of one in the library, or the path of a YAML file.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokgrid.api import StudyReport, export, import_trials, load, optimise, plan, report, results, run, submit

__all__ = ["StudyReport", "export", "import_trials", "load", "optimise", "plan", "report", "run", "submit", "results"]


def __getattr__(name: str) -> Any:
    """Imports the verbs when they are asked for: `grokgrid --help` has no use for them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from grokgrid import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return __all__
