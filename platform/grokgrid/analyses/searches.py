"""A search: its candidates, how sure the choice is, and what the best ones come to on seeds that had no part in it."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from grokgrid.analyses import drawing_searches
from grokgrid.analyses.parts import Column, Figure, Report, Section, Table
from grokgrid.analyses.reports import make_report
from grokgrid.analyses.trials import without_folders
from grokgrid.analyses.wording import NOTHING, finite, listed, number
from grokgrid.plurals import plural
from grokgrid.results import Results, State
from grokgrid.search.objectives import Worth, in_units
from grokgrid.search.proposals import Fate
from grokgrid.search.race import ERROR_RATE
from grokgrid.search.searching import NOT_RUN, Entrant, Searched
from grokgrid.statistics import FEW_SEEDS, NUM_RESAMPLES, WhyOpen, wins
from search_spaces.search import Objective
from trainables.names import file_part

_SHOWN = 20
"""More candidates than this are shown to people by the figures; all are in the files."""

IN, OUT, FAILED, LEFT = "not told apart", "out", "failed", "not run"
_STATES = {Fate.OPEN: IN, Fate.DONE: IN, Fate.OUT: OUT, Fate.FAILED: FAILED}


def search_report(searched: Searched, results: Results) -> Report:
    """The claim comes first, and then how the best were found. results: of the claim."""
    section = search_section(searched)
    study = searched.study
    if not searched.best or not searched.is_over:
        open_ = f"The search is not over: {_state(searched)}." if not searched.is_over else ""
        none = f"Nothing is chosen: {searched.why_none}." if searched.is_over else ""
        return Report(study, results.at, open_ or none, (section,))
    claim = make_report(results)
    return replace(
        claim,
        study=study,
        headline=f"{_chosen(searched, _shares(searched))} {claim.headline}",
        sections=(*claim.sections[:-1], section, claim.sections[-1]),
    )


def search_section(searched: Searched) -> Section:
    shares = _shares(searched)
    return Section(
        title=f"The search: {searched.search.arm}",
        tables=(_table(searched, shares), _trials(searched), *_importances(searched)),
        figures=tuple(_figures(searched)),
        notes=tuple(_notes(searched, shares)),
        metrics=dict(_metrics(searched, shares)),
    )


def _chosen(searched: Searched, shares: dict[int, float]) -> str:
    """What was chosen, which is a fact; whether it is the best is open where others are not told apart from it."""
    num = plural(len(searched.entrants), "candidate")
    best = _best(searched)
    if len(best) > 1:
        front = listed(_metrics_of(searched))
        return f"{len(best)} of {num} make the front of {front}. On seeds that had no part in this:"
    (entrant,) = best
    share = _share(shares.get(entrant.candidate.number))
    sure = f", best in {share} of resamples of the seeds" if share != NOTHING else ""
    counts = _counts(searched)
    why = WhyOpen.NOT_TOLD_APART if counts[IN] else None if counts[OUT] else WhyOpen.ALONE
    is_open = f"; whether it is the best is open because {why}" if why else ""
    counted = f" ({counts[IN]} {IN} from it)" if counts[IN] else ""
    return (
        f"Of {num} the search chose {_name(searched, entrant)}{sure}{is_open}{counted}. On seeds that had no part in "
        "the choice:"
    )


def _best(searched: Searched) -> list[Entrant]:
    return [entrant for entrant in searched.entrants if entrant.candidate.number in searched.best]


def _name(searched: Searched, entrant: Entrant) -> str:
    settings = entrant.candidate.settings.items()
    return f"{searched.search.arm} at {listed([f'{_short(path)} {_value(value)}' for path, value in settings])}"


def _short(path: str) -> str:
    return path.rpartition(".")[2]


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _metrics_of(searched: Searched) -> list[str]:
    return [_label(objective) for objective in searched.search.objectives]


def _label(objective: Objective) -> str:
    return objective.metric.replace("_", " ")


def _state_of(entrant: Entrant) -> str:
    return LEFT if entrant.why == NOT_RUN else _STATES[entrant.fate]


def _counts(searched: Searched) -> dict[str, int]:
    states = [_state_of(entrant) for entrant in searched.entrants if entrant.candidate.number not in searched.best]
    return {"chosen": len(searched.best)} | {state: states.count(state) for state in (IN, OUT, FAILED, LEFT)}


def _state(searched: Searched) -> str:
    told = [f"{num} {state}" for state, num in _counts(searched).items() if num]
    return f"of {plural(len(searched.entrants), 'candidate')} {listed(told)}" if told else "no candidate yet"


def _rivals(searched: Searched) -> list[Entrant]:
    """The best one and the candidates that have as many seeds."""
    (best,) = _best(searched)
    return [e for e in searched.entrants if e.fate in (Fate.OPEN, Fate.DONE) and e.num_seeds >= best.num_seeds]


def _shares(searched: Searched) -> dict[int, float]:
    """Of candidates with as many seeds as the best one, the share of resamples of the seeds that each wins. None are
    made of a few seeds, which would be much too sure of themselves, nor of a candidate alone, which wins them all.
    """
    if len(searched.search.objectives) > 1 or not searched.best:
        return {}
    (best,), rivals = _best(searched), _rivals(searched)
    if best.num_seeds < FEW_SEEDS or len(rivals) < 2:
        return {}
    seeds = searched.search.seed_list[: best.num_seeds]
    values = [
        [searched.worth[entrant.cell.key_of(seed)].values[0] for entrant in rivals if entrant.cell is not None]
        for seed in seeds
    ]
    # The same trials give the same shares: a report that is made again is the same report.
    shares = wins(values, "less", np.random.default_rng(0))
    return {entrant.candidate.number: float(share) for entrant, share in zip(rivals, shares, strict=True)}


def _share(share: float | None) -> str:
    return NOTHING if share is None or np.isnan(share) else f"{share:.0%}"


def _rows(searched: Searched, shares: dict[int, float]) -> pd.DataFrame:
    rows, ranges = [], searched.search.settings
    for entrant in searched.entrants:
        number_ = entrant.candidate.number
        scores = entrant.scores or [np.nan] * len(searched.search.objectives)
        rows.append(
            {
                "candidate": number_,
                **{path: ranges[path].in_table(value) for path, value in entrant.candidate.settings.items()},
                "state": "best" if number_ in searched.best else _state_of(entrant),
                "seeds": entrant.num_seeds,
                **{
                    objective.metric: in_units(objective, score)
                    for objective, score in zip(searched.search.objectives, scores, strict=True)
                },
                "reached": sum(found.state is State.REACHED for found in _trials_of(searched, entrant)),
                "best_in": shares.get(number_),
                "why": without_folders(entrant.why) or None,
            }
        )
    metrics = [objective.metric for objective in searched.search.objectives]
    columns = ["candidate", *searched.search.settings, "state", "seeds", *metrics, "reached", "best_in", "why"]
    return pd.DataFrame(rows, columns=columns)


def _trials_of(searched: Searched, entrant: Entrant) -> list[Worth]:
    """Those that are over."""
    seeds, cell = searched.search.seed_list, entrant.cell
    keys = [cell.key_of(seed) for seed in seeds] if cell is not None else []
    return [searched.worth[key] for key in keys if key in searched.worth]


def _table(searched: Searched, shares: dict[int, float]) -> Table:
    data, search = _rows(searched, shares), searched.search
    order = sorted(
        searched.entrants,
        key=lambda e: (e.candidate.number not in searched.best, _state_of(e) != IN, e.scores or (np.inf,)),
    )
    shown = data.set_index("candidate").loc[[e.candidate.number for e in order[:_SHOWN]]].reset_index()
    columns = [
        Column("candidate", tuple(f"{row}" for row in shown["candidate"]), "name"),
        *(Column(_short(path), tuple(map(_value, shown[path])), "value") for path in search.settings),
        *(Column(_label(o), tuple(map(number, shown[o.metric].astype(float)))) for o in search.objectives),
        Column("seeds", tuple(f"{num}/{len(search.seed_list)}" for num in shown["seeds"])),
        Column("state", tuple(shown["state"])),
    ]
    if searched.study.goal is not None:
        columns.insert(-1, Column("reached", tuple(f"{num}" for num in shown["reached"])))
    if shares:
        columns.append(Column("best in", tuple(map(_share, shown["best_in"].astype(float)))))
    times = [_label(objective) for objective in search.objectives if objective.is_time]
    caption = ["Means over seeds where training ended."]
    if times:
        goal = f"min(time to {searched.study.goal}, budget)"
        caption = [f"{listed(times).capitalize()}: geometric means over seeds of {goal}."]
    caption.append(
        "So that none gains by seeds it has not had, one with fewer is given what the one with the most came to and, "
        "on top, how far they differ on the seeds of both."
    )
    caption.append(
        "Out: a test that may be made after every trial finds another candidate better. The best of all is ever out "
        f"with a probability of at most {ERROR_RATE:.0%}, if paired differences are normal and few are censored."
    )
    if shares:
        caption.append(
            f"Best in: how many of {NUM_RESAMPLES:,} resamples of the seeds it wins, among those with as many seeds as "
            "the best."
        )
    if len(order) > _SHOWN:
        caption.append(f"The best {_SHOWN} of {len(order)} are shown; the files hold all.")
    return Table("search", "Candidates", data, tuple(columns) if len(shown) else (), " ".join(caption))


def _trials(searched: Searched) -> Table:
    return Table("search-trials", "Trials of the search", searched.trials)


def _importances(searched: Searched) -> Iterator[Table]:
    if len(searched.search.settings) < 2 or not any(searched.importances):
        return
    rows = [
        {"objective": objective.metric, "setting": path, "importance": share}
        for objective, found in zip(searched.search.objectives, searched.importances, strict=True)
        for path, share in found.items()
    ]
    data = pd.DataFrame(rows, columns=["objective", "setting", "importance"])
    columns = (
        Column("objective", tuple(data["objective"]), "name"),
        Column("setting", tuple(data["setting"]), "name"),
        Column("importance", tuple(f"{share:.0%}" for share in data["importance"])),
    )
    caption = "Shares of what an objective varies by among the better candidates: Optuna’s PED-ANOVA."
    yield Table("search-importance", "Importance of the settings", data, columns, caption)


def _figures(searched: Searched) -> Iterator[Figure]:
    data, search = _rows(searched, {}), searched.search
    if not data[[objective.metric for objective in search.objectives]].notna().to_numpy().any():
        return
    marks = "The ring marks the best; a cross, candidates that are out; paler ones have fewer seeds."
    many = len(search.objectives) > 1
    for objective in search.objectives:
        suffix = f"-{file_part(objective.metric, '/')}" if many else ""
        yield Figure(
            f"search-history{suffix}",
            f"{_label(objective)} of the candidates, in the order in which they were tried",
            partial(drawing_searches.history, data, objective),
            f"{marks} The line is the best so far.",
        )
        for path, spread in search.settings.items():
            yield Figure(
                f"search-slice-{file_part(path, '.')}{suffix}",
                f"{_label(objective)} against {path}",
                partial(drawing_searches.slice_, data, path, spread, objective),
                marks,
            )
    if len(search.settings) > 1 and any(searched.importances):
        yield Figure(
            "search-importance",
            "Importance of the settings",
            partial(drawing_searches.importance, searched.importances, _metrics_of(searched)),
        )
    for one, other in combinations(search.objectives, 2):
        yield Figure(
            f"search-front-{file_part(one.metric, '/')}-{file_part(other.metric, '/')}",
            f"{_label(one)} and {_label(other)}: the front",
            partial(drawing_searches.front, data, one, other),
            f"{marks} No candidate is better than one on the front in everything.",
        )


def _notes(searched: Searched, shares: dict[int, float]) -> Iterator[str]:
    search = searched.search
    yield f"{_state(searched)[0].upper()}{_state(searched)[1:]}."
    if not searched.is_over:
        yield "It is not over: run it again for what is missing."
    elif not searched.best:
        yield f"Nothing is chosen: {searched.why_none}."
    if len(searched.best) == 1:
        yield from _alternatives(searched, shares)
    failed = [entrant for entrant in searched.entrants if _state_of(entrant) == FAILED]
    for entrant in failed[:5]:
        yield f"Candidate {entrant.candidate.number} failed: {without_folders(entrant.why) or 'no reason is known'}."
    if len(failed) > 5:
        yield f"{len(failed) - 5} more failed; the table in the files says why."
    goal = searched.study.goal
    if goal is not None and goal.metric.startswith("test_") and any(o.is_time for o in search.objectives):
        yield (
            f"Times to {goal} were chosen by test examples too: the seeds of the claim are fresh, its examples are "
            f"not. A "
            "goal by validation_accuracy leaves them out of the choice."
        )
    hours = sum(found.hours for found in searched.worth.values())
    states = [found.state for found in searched.worth.values()]
    ended = listed([f"{states.count(state)} {state}" for state in State if state in states]) or "none over"
    yield (
        f"{plural(len(states), 'trial')} on {plural(len(search.seed_list), 'seed')} ({ended}), {number(hours)} device "
        "hours, those that other studies had run already among them."
    )


def _alternatives(searched: Searched, shares: dict[int, float]) -> Iterator[str]:
    """Which other candidates may be as good, and whether the best lies at an end of a range."""
    (best,) = _best(searched)
    if best.num_seeds < FEW_SEEDS:
        yield f"The choice rests on {plural(best.num_seeds, 'seed')}: much of it is luck."
    rivals = [entrant for entrant in searched.entrants if shares.get(entrant.candidate.number, 0) >= 0.05]
    for path, spread in searched.search.settings.items():
        value, setting = best.candidate.settings[path], _short(path)
        numbers = [entrant.candidate.settings[path] for entrant in rivals]
        if spread.choice is None and len(numbers) > 1:
            yield (
                f"Candidates from {setting} {_value(min(numbers))} to {_value(max(numbers))} are the best in 5% of "
                "resamples of the seeds, or more."
            )
        if spread.choice is None and value in spread.extremes:
            yield f"The best lies at an end of the range of {setting}: a better one may lie beyond."


def _metrics(searched: Searched, shares: dict[int, float]) -> Iterator[tuple[str, float]]:
    yield "search/candidates", float(len(searched.entrants))
    yield "search/trials", float(len(searched.worth))
    for rank, entrant in enumerate(_best(searched), start=1):
        name = "search/best" if len(searched.best) == 1 else f"search/best-{rank}"
        settings = {
            f"{name}/{path}": float(value)
            for path, value in entrant.candidate.settings.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        scores = {
            f"{name}/{objective.metric}": in_units(objective, score)
            for objective, score in zip(searched.search.objectives, entrant.scores or (), strict=True)
        }
        share = {f"{name}/best_in": shares.get(entrant.candidate.number)}
        yield from finite({**settings, **scores, **share}).items()
