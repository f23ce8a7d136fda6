"""A search as a source of trials for a driver; and at its end the claim, on seeds that had no part in the choice.

What a search knows lies in two places that outlive it: Optuna's storage has the candidates, MLflow has their trials.
Everything else follows from these, so a search that was killed goes on as if nothing had been, and several searches of
one study at once work at the same candidates.

    ask for candidates, hand out seeds ──budget used──> settle the candidates ──> claim: the best and the baseline
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from grokgrid.planning import Need, need_of
from grokgrid.results import State
from grokgrid.search.objectives import Worth, in_units, worth
from grokgrid.search.proposals import Candidate, Fate, Proposals, Scored, num_first
from grokgrid.search.race import Race, is_turn_of_a_new_one, last_seeds
from grokgrid.sources import Asked, Outcome, label_of
from grokgrid.tracking import Tracking, TrackingAway, TrackingRefused
from search_spaces import Cell, Study
from search_spaces.analyses import Acceleration, Analysis, Curves, Measurements
from search_spaces.search import MOST_CANDIDATES, Search, measured_by
from trainables.names import numbered
from trainables.trial import Trial
from trainables.validation import ValidationErrors

if TYPE_CHECKING:
    import pandas as pd

_OTHERS_CHECKED_EVERY_S = 10.0
NOT_RUN = "the budget ended before its first seed"
_TWINS = 10
"""After so many proposals of what was tried already there is nothing else to try: the settings have but few values."""


@dataclass(frozen=True)
class Entrant:
    """A candidate as it stands. Without a cell its settings are not allowed together.

    num_seeds  that it has been run on, without any that came in before one that precedes it
    scores     means over seeds, to be compared with others', less is better; None without a seed
    """

    candidate: Candidate
    cell: Cell | None
    fate: Fate
    why: str
    num_seeds: int
    scores: tuple[float, ...] | None


@dataclass(frozen=True)
class Searched:
    """A search as it stands.

    entrants     by number
    worth        key -> what is known of a trial
    best         numbers of the winner, or of the front; none if there is nothing to choose, which `why_none` explains
    is_over      nothing is left to be run within the budget
    importances  by objective: of each setting, by Optuna
    """

    study: Study
    entrants: tuple[Entrant, ...]
    worth: Mapping[str, Worth]
    best: tuple[int, ...]
    why_none: str
    is_over: bool
    importances: tuple[Mapping[str, float], ...]

    @property
    def search(self) -> Search:
        assert self.study.search is not None
        return self.study.search

    @property
    def claim(self) -> Study:
        """The best beside the baseline, on the study's own seeds; without a best, the baseline alone."""
        cells = [entrant.cell for entrant in self.entrants if entrant.candidate.number in self.best]
        return claim_study(self.study, [cell for cell in cells if cell is not None])

    @property
    def trials(self) -> "pd.DataFrame":
        """Those of the search that are over: candidate, cell, seed, key, state, run_id, and a column an objective."""
        import pandas as pd

        metrics = [objective.metric for objective in self.search.objectives]
        rows = [
            {"candidate": entrant.candidate.number, "cell": entrant.cell.name, "seed": seed}
            | {"key": key, "state": str(found.state)}
            | {
                "run_id": found.run_id,
                **dict(zip(metrics, map(in_units, self.search.objectives, found.values), strict=True)),
            }
            for entrant in self.entrants
            if entrant.cell is not None
            for seed in self.search.seed_list
            if (found := self.worth.get(key := entrant.cell.key_of(seed))) is not None
        ]
        return pd.DataFrame(rows, columns=["candidate", "cell", "seed", "key", "state", "run_id", *metrics])


class Searching:
    """The source. `retry_failed`: whether a trial that failed is run again, or its candidate has failed with it."""

    def __init__(self, study: Study, tracking: Tracking, proposals: Proposals, *, retry_failed: bool = False) -> None:
        assert study.search is not None
        self._study, self._search = study, study.search
        self._tracking, self._proposals, self._retry_failed = tracking, proposals, retry_failed
        self._candidates: list[Candidate] = []
        self._num_asked = 0
        self._cells: dict[int, Cell | None] = {}
        self._worth: dict[str, Worth] = {}
        self._failed: dict[int, str] = {}
        self._twins = 0
        self._lost: set[str] = set()
        self._under_way: set[str] = set()
        self._is_over = False
        self._claimed = False
        self._read_at = -np.inf

    def more(self, outcome: Outcome, room: int) -> Sequence[Asked]:
        """Trials of the search and, when it is over, those of the claim."""
        if not self._is_over:
            given = self._search_on(outcome, room)
            if not (given or self._under_way or self._lost):
                # Others may have asked for candidates since these were last looked for.
                self._read_at = -np.inf
                given = self._search_on(Outcome(), room)
            if given or self._under_way or self._lost:
                return given
            self._settle()
            self._is_over = True
        if self._claimed:
            return []
        found = self.searched()
        self._claimed = True
        if not found.best:
            return []
        claim = found.claim
        return [
            Asked(claim.trial_of(cell, seed), label_of(self._study, cell, seed))
            for seed in claim.seed_list
            for cell in claim.cells
        ]

    def status(self) -> str:
        """In a few words, for progress."""
        race, entered = self._race()
        told = f"{len(self._candidates)} candidates"
        best = [self._cells[entered[index].number] for index in race.best()]
        names = [cell.name for cell in best if cell is not None]
        if len(names) == 1:
            told += f", best so far {names[0]}"
        elif names:
            told += f", {len(names)} on the front"
        return told + (", claim on fresh seeds" if self._claimed and names else "")

    def searched(self) -> Searched:
        race, entered = self._race()
        place = {candidate.number: index for index, candidate in enumerate(entered)}
        entrants = tuple(self._entrant(candidate, race, place.get(candidate.number)) for candidate in self._candidates)
        best, why_none = self._best(race, entered)
        scored = self._scored(race, entered)
        importances = tuple(self._proposals.importances(scored, index) for index in range(len(self._search.objectives)))
        return Searched(self._study, entrants, dict(self._worth), best, why_none, self._is_over, importances)

    def _search_on(self, outcome: Outcome, room: int) -> list[Asked]:
        now = time.monotonic()
        if now - self._read_at > _OTHERS_CHECKED_EVERY_S:
            self._read_all()
            self._read_at = now
        ended = self._under_way & (outcome.finished | outcome.failed.keys() | outcome.lost.keys())
        if ended:
            self._note(ended, outcome)
        given: list[Asked] = []
        while len(given) < room:
            try:
                step = self._next()
            except (TrackingAway, TrackingRefused):
                if given:
                    break
                raise
            if step is None:
                break
            given.append(step)
            self._under_way.add(step.work.key)
        return given

    def _read_all(self) -> None:
        """All candidates, and what has become of their trials, also of those that others asked for and run."""
        found, self._num_asked = self._proposals.all()
        # Two searches at once may ask for the last candidate at the same time: the later number is none.
        self._candidates = [candidate for candidate in found if candidate.number < self._most_candidates]
        for candidate in self._candidates:
            self._enter(candidate)
        self._read(self._candidates)

    @property
    def _most_candidates(self) -> int:
        return self._search.budget.candidates or MOST_CANDIDATES

    def _enter(self, candidate: Candidate) -> None:
        if candidate.number in self._cells:
            return
        try:
            cell = self._study.candidate(candidate.settings)
        except ValidationErrors as problems:
            self._cells[candidate.number] = None
            self._fail(candidate, str(problems))
            return
        key = cell.key_of(0)
        twin = next((number for number, other in self._cells.items() if other and other.key_of(0) == key), None)
        self._cells[candidate.number] = cell if twin is None else None
        if twin is not None:
            self._twins += 1
            self._fail(candidate, f"it is candidate {twin} again")

    def _read(self, candidates: Sequence[Candidate]) -> None:
        """What MLflow knows of their trials and we do not."""
        unknown = self._owners(candidates, lambda key: key not in self._worth and key not in self._under_way)
        records = self._tracking.find(unknown)
        needs = {
            key: need_of(self._trial(unknown[key], key), record, retry_failed=self._retry_failed)
            for key, record in records.items()
        }
        for key, need in needs.items():
            if need is Need.LEAVE:
                self._fail(unknown[key], records[key].reason or "a trial failed")
        self._read_worth({key: unknown[key] for key, need in needs.items() if need is Need.NOTHING})

    def _owners(self, candidates: Iterable[Candidate], which: Callable[[str], bool]) -> dict[str, Candidate]:
        """By the keys of their trials."""
        return {key: candidate for candidate in candidates for key in filter(which, self._keys(candidate))}

    def _read_worth(self, over: Mapping[str, Candidate]) -> None:
        if not over:
            return
        trial_results = self._tracking.read(over)
        for owner in {owner.number: owner for owner in over.values()}.values():
            cell = self._cells[owner.number]
            assert cell is not None
            for key, found in worth(self._study, cell, trial_results).items():
                self._worth[key] = found
                without = [
                    objective.metric
                    for objective, value in zip(self._search.objectives, found.values, strict=True)
                    if not np.isfinite(value)
                ]
                if without:
                    self._fail(over[key], f"training ended without a number for {', '.join(without)}")

    def _note(self, ended: set[str], outcome: Outcome) -> None:
        """What became of trials that we gave out."""
        owners = self._owners(self._candidates, lambda key: key in ended)
        self._read_worth({key: owners[key] for key in ended & outcome.finished})
        for key in ended & outcome.failed.keys():
            self._fail(owners[key], outcome.failed[key])
        # Only now: if MLflow was away, all of this is done again.
        self._lost |= ended & outcome.lost.keys()
        self._under_way -= ended

    def _next(self) -> Asked | None:
        """The next trial, which may need a new candidate to be asked for."""
        while True:
            race, entered = self._race()
            self._tell_decided(race, entered)
            if self._is_budget_used():
                return None
            waiting = [sum(key in self._under_way for key in self._keys(candidate)) for candidate in entered]
            may_run = [
                candidate.fate is not Fate.OUT and self._next_key(candidate) is not None for candidate in entered
            ]
            may_ask = self._num_asked < self._most_candidates and self._twins < _TWINS
            first = num_first(len(self._search.settings))
            # A candidate that has nothing yet comes before another one is asked for, which may learn from it.
            fresh = [i for i in np.flatnonzero(race.num_done + np.array(waiting, int) == 0) if may_run[i]]
            turn = is_turn_of_a_new_one(len(entered), self._num_given(), first) and not self._is_time_to_decide()
            index = None if may_ask and turn and not fresh else race.next_for_a_seed(waiting, may_run)
            if index is not None:
                key = self._next_key(entered[index])
                assert key is not None
                return self._asked(entered[index], key)
            if not may_ask:
                return None
            candidate = self._proposals.ask(self._scored(race, entered))
            self._num_asked = max(self._num_asked, candidate.number + 1)
            if candidate.number >= self._most_candidates:
                self._proposals.tell(candidate.number, Fate.FAILED)
                self._read_all()
                continue
            self._candidates.append(candidate)
            self._enter(candidate)
            self._read([candidate])

    def _is_budget_used(self) -> bool:
        budget = self._search.budget
        if budget.trials is not None and self._num_given() >= budget.trials:
            return True
        hours = sum(found.hours for found in self._worth.values())
        return budget.device_hours is not None and hours >= budget.device_hours

    def _is_time_to_decide(self) -> bool:
        """Whether what is left of a budget in trials is for seeds of those candidates that there are."""
        trials = self._search.budget.trials
        return trials is not None and self._num_given() >= trials - last_seeds(trials, len(self._search.seed_list))

    def _num_given(self) -> int:
        return len(self._worth.keys() | self._under_way)

    def _race(self) -> tuple[Race, list[Candidate]]:
        """The candidates that are in it, or were."""
        entered = [candidate for candidate in self._candidates if candidate.number not in self._failed]
        seeds, num = self._search.seed_list, len(self._search.objectives)
        values = np.full((len(entered), len(seeds), num), np.nan)
        for row, candidate in enumerate(entered):
            for column, key in enumerate(self._keys(candidate)):
                if key in self._worth:
                    values[row, column] = self._worth[key].values
        return Race.of(values, self._search.budget.most_candidates), entered

    def _tell_decided(self, race: Race, entered: Sequence[Candidate]) -> None:
        for index, candidate in enumerate(entered):
            if candidate.fate is not Fate.OPEN:
                continue
            if race.is_out[index]:
                self._tell(candidate, Fate.OUT)
            elif race.num_done[index] == race.num_seeds:
                self._tell(candidate, Fate.DONE, race.scores[index])

    def _settle(self) -> None:
        """The budget is used: whoever is still in the race stays as it is."""
        race, entered = self._race()
        for index, candidate in enumerate(entered):
            if candidate.fate is Fate.OPEN and race.num_done[index]:
                self._tell(candidate, Fate.DONE, race.scores[index])
            elif candidate.fate is Fate.OPEN:
                self._fail(candidate, NOT_RUN)

    def _tell(self, candidate: Candidate, fate: Fate, scores: Sequence[float] = ()) -> None:
        self._proposals.tell(candidate.number, fate, scores)
        settled = replace(candidate, fate=fate)
        self._candidates = [settled if each.number == candidate.number else each for each in self._candidates]

    def _fail(self, candidate: Candidate, why: str) -> None:
        self._failed[candidate.number] = why
        if candidate.fate is Fate.OPEN:
            self._tell(candidate, Fate.FAILED)

    def _best(self, race: Race, entered: Sequence[Candidate]) -> tuple[tuple[int, ...], str]:
        best = [entered[index] for index in race.best()]
        if not best:
            return (), "no candidate has a trial to be judged by"
        times = [objective.metric for objective in self._search.objectives if objective.is_time]
        if times and len(times) == len(self._search.objectives):
            best = [
                candidate
                for candidate in best
                if any(key in self._worth and self._worth[key].state is State.REACHED for key in self._keys(candidate))
            ]
        if not best:
            return (), f"no candidate reached the goal, {self._study.goal}, on any seed, so none is better than another"
        return tuple(candidate.number for candidate in best), ""

    def _scored(self, race: Race, entered: Sequence[Candidate]) -> list[Scored]:
        """Those that failed have no scores, and are not proposed again."""
        scores = {
            candidate.number: race.scores[index].tolist()
            for index, candidate in enumerate(entered)
            if race.num_done[index]
        }
        return [Scored(candidate.settings, scores.get(candidate.number)) for candidate in self._candidates]

    def _entrant(self, candidate: Candidate, race: Race, index: int | None) -> Entrant:
        num = int(race.num_done[index]) if index is not None else 0
        scores = tuple(race.scores[index].tolist()) if index is not None and num else None
        # A trial that failed may have been run again since.
        fate: Fate = Fate.OPEN if candidate.fate is Fate.FAILED else candidate.fate
        fate = Fate.FAILED if candidate.number in self._failed else fate
        why = self._failed.get(candidate.number, "")
        return Entrant(candidate, self._cells[candidate.number], fate, why, num, scores)

    def _keys(self, candidate: Candidate) -> list[str]:
        cell = self._cells.get(candidate.number)
        return [cell.key_of(seed) for seed in self._search.seed_list] if cell is not None else []

    def _next_key(self, candidate: Candidate) -> str | None:
        """Of its first trial that is neither over nor under way. A lost one is left to the next run."""
        keys = self._keys(candidate)
        if self._lost & set(keys):
            return None
        return next((key for key in keys if key not in self._worth and key not in self._under_way), None)

    def _trial(self, candidate: Candidate, key: str) -> Trial:
        cell = self._cells[candidate.number]
        assert cell is not None
        return self._study.trial_of(cell, self._search.seed_list[self._keys(candidate).index(key)])

    def _asked(self, candidate: Candidate, key: str) -> Asked:
        trial, cell = self._trial(candidate, key), self._cells[candidate.number]
        assert cell is not None
        return Asked(trial, label_of(self._study, cell, trial.seed))


def search_digest(study: Study) -> str:
    """Names a search. Its budget may be raised, and its claim be made on more seeds: it goes on."""
    assert study.search is not None
    arm = {name: value for name, value in study.arms[study.search.arm].items() if name != "grid"}
    search = study.search.model_dump(mode="json", exclude={"budget", "baseline"}, exclude_defaults=True)
    text = json.dumps([study.trial, arm, search], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def claim_study(study: Study, cells: Sequence[Cell]) -> Study:
    """These cells of the searched arm beside the baseline, on the study's own seeds."""
    search = study.search
    assert search is not None
    arms: dict[str, Any] = {search.baseline: study.arms[search.baseline]}
    for number, cell in enumerate(cells, start=1):
        name = search.arm if len(cells) == 1 else numbered(search.arm, number, [search.baseline])
        arms[name] = study.searched_arm(dict(cell.point))
    analyses: list[Analysis] = []
    if study.goal is not None:
        analyses.append(Acceleration(baseline=search.baseline))
    metrics = [_claimed(objective.metric) for objective in search.objectives if not objective.is_time]
    if metrics:
        analyses.append(Measurements(metrics=tuple(metrics), baseline=search.baseline))
    analyses.append(Curves())
    return Study(
        name=study.name,
        question=study.question,
        seeds=study.seeds,
        trial=study.trial,
        arms=arms,
        analyses=tuple(analyses),
        resources=study.resources,
    )


def _claimed(metric: str) -> str:
    """What was chosen on validation examples is claimed on test examples."""
    return metric.replace("validation_", "test_", 1) if measured_by(metric).startswith("validation_") else metric
