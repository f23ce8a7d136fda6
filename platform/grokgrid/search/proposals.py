"""Candidates, and what became of them, as an Optuna study: proposed by ask, settled by tell.

Optuna keeps it in a journal file or a server's database, where optuna-dashboard opens it. It is read anew every time:
several searches of one study share its candidates, and a killed one finds those that it had asked for.

A candidate is told once, but its scores change as seeds come in. So a new one is proposed from a snapshot, a study in
memory that holds the present scores of all, of which Optuna's tree-structured Parzen estimator (TPE) learns where the
good ones lie. It goes by their order alone: a cliff, where trials diverge or never reach their goal, does not matter to
it. The first candidates, for which nothing is known yet, lie on a Sobol sequence instead.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from grokgrid.search.journal import MOVE, Journal
from grokgrid.tracking import TrackingAway, TrackingError, is_away, redact
from search_spaces.search import Range, Search, rounded

SERVERS = ("postgresql", "mysql")
_HALF_ASKED_FOR = timedelta(minutes=1)
_CHECKED_AT = 64
"""Points of the Sobol sequence that are looked at for one that was not tried."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Fate(Enum):
    """What became of a candidate."""

    OPEN = TrialState.RUNNING
    DONE = TrialState.COMPLETE
    OUT = TrialState.PRUNED
    FAILED = TrialState.FAIL


@dataclass(frozen=True)
class Candidate:
    """number: from 0, in the order in which they were asked for; settings: by dotted path."""

    number: int
    settings: Mapping[str, Any]
    fate: Fate


@dataclass(frozen=True)
class Scored:
    """A candidate's settings, and its scores so far, less being better; None while there are none."""

    settings: Mapping[str, Any]
    scores: Sequence[float] | None


class Proposals:
    """The candidates of one search."""

    def __init__(self, search: Search, name: str, place: str | Path) -> None:
        """place: URL of a server's database, or path of a journal file, which is made if it is not there.

        Raises:
            TrackingError: Optuna cannot use it.
            TrackingAway: the server cannot be reached; so raise the methods.
        """
        self._proposer, self._place = Proposer(search), str(place)
        self._sampler = _Sampler(self._proposer)
        with _usable(self._place):
            self._study = optuna.create_study(
                study_name=name,
                storage=_storage(self._place),
                sampler=self._sampler,
                directions=["minimize"] * len(search.objectives),
                load_if_exists=True,
            )

    def all(self) -> tuple[list[Candidate], int]:
        """By number, and how many were asked for. Among those is one more if its settings are just being written, or
        were when its search was killed: that one is given up.
        """
        with _away_is_told(self._place):
            trials = self._study.get_trials(deepcopy=False)
            return [self._candidate(trial) for trial in trials if self._is_whole(trial)], len(trials)

    def ask(self, scored: Sequence[Scored]) -> Candidate:
        """A new candidate, given how all others stand."""
        self._sampler.scored = scored
        with _away_is_told(self._place):
            trial = self._study.ask(self._proposer.distributions)
            return Candidate(trial.number, dict(trial.params), Fate.OPEN)

    def tell(self, number: int, fate: Fate, scores: Sequence[float] = ()) -> None:
        """Settles a candidate. Of several searches that do so the first one counts."""
        values = [float(score) for score in scores] if fate is Fate.DONE else None
        with _away_is_told(self._place):
            try:
                self._study.tell(number, values, state=fate.value, skip_if_finished=True)
            except (UpdateFinishedTrialError, ValueError):
                if self._study.get_trials(deepcopy=False)[number].state is TrialState.RUNNING:
                    raise

    def importances(self, scored: Sequence[Scored], objective: int) -> dict[str, float]:
        """How much of what an objective varies by each setting makes up, by Optuna; empty where that cannot be said."""
        known = [each for each in scored if each.scores is not None]
        values = [each.scores[objective] for each in known if each.scores is not None]
        if len(known) < 2 or len(set(values)) < 2:
            return {}
        study = self._proposer.snapshot(known)
        with warnings.catch_warnings():
            # That it is experimental, and that less is better, as it is here.
            warnings.simplefilter("ignore")
            evaluator = PedAnovaImportanceEvaluator(target_quantile=0.1, region_quantile=1.0, evaluate_on_local=True)
            found = optuna.importance.get_param_importances(
                study, evaluator=evaluator, target=lambda trial: trial.values[objective], normalize=True
            )
        return dict(found)

    def _is_whole(self, trial: FrozenTrial) -> bool:
        whole = set(trial.params) == set(self._proposer.distributions)
        started = trial.datetime_start
        if not whole and trial.state is TrialState.RUNNING and started and datetime.now() - started > _HALF_ASKED_FOR:
            self.tell(trial.number, Fate.FAILED)
        return whole

    def _candidate(self, trial: FrozenTrial) -> Candidate:
        fates = {fate.value: fate for fate in Fate}
        return Candidate(trial.number, dict(trial.params), fates.get(trial.state, Fate.OPEN))


class Proposer:
    """Proposes settings. The same candidates with the same scores make for the same proposal.

    draw  another one gives other proposals of the same kind, for searches that are simulated
    """

    def __init__(self, search: Search, draw: int = 0) -> None:
        self.distributions = {path: _distribution(spread) for path, spread in search.settings.items()}
        self._num_objectives = len(search.objectives)
        self._draw = draw

    def propose(self, number: int, scored: Sequence[Scored]) -> dict[str, Any]:
        """For the candidate of this number, given how the others stand."""
        known = [each for each in scored if each.scores is not None]
        if number < num_first(len(self.distributions)) or len(known) < 2:
            return self._untried(self._spread(number), number, scored)
        seed = int(np.random.SeedSequence([self._draw, number]).generate_state(1)[0])
        proposed = self.snapshot(scored, self._sampler(seed)).ask(self.distributions).params
        return self._untried({path: self._rounded(path, value) for path, value in proposed.items()}, number, scored)

    def _sampler(self, seed: int) -> TPESampler:
        """Optuna 5's defaults but for `n_startup_trials`, all stated: another version may have others."""
        return TPESampler(
            seed=seed,
            n_startup_trials=0,
            n_ei_candidates=24,
            multivariate=self._num_objectives == 1,
            group=False,
            constant_liar=True,
        )

    def _untried(self, proposed: dict[str, Any], number: int, scored: Sequence[Scored]) -> dict[str, Any]:
        """Where settings are few, the sampler proposes again what is best so far; further seeds are the race's."""
        tried = [dict(each.settings) for each in scored]
        if proposed not in tried:
            return proposed
        others = map(self._spread, range(number, number + _CHECKED_AT))
        return next((other for other in others if other not in tried), proposed)

    def snapshot(self, scored: Sequence[Scored], sampler: BaseSampler | None = None) -> optuna.Study:
        """These candidates as a study in memory; those without scores are running trials."""
        study = optuna.create_study(directions=["minimize"] * self._num_objectives, sampler=sampler)
        for each in scored:
            state = TrialState.RUNNING if each.scores is None else TrialState.COMPLETE
            # Their squares must be numbers, too.
            values = None if each.scores is None else np.clip(each.scores, -1e100, 1e100).tolist()
            study.add_trial(
                create_trial(state=state, values=values, params=dict(each.settings), distributions=self.distributions)
            )
        return study

    def _spread(self, number: int) -> dict[str, Any]:
        from scipy.stats import qmc

        # Sobol's sequence is balanced at powers of two, and SciPy warns of other lengths.
        points = qmc.Sobol(len(self.distributions), rng=self._draw).random(1 << number.bit_length())
        places = zip(self.distributions.items(), points[number], strict=True)
        return {path: self._rounded(path, _at(distribution, share)) for (path, distribution), share in places}

    def _rounded(self, path: str, value: Any) -> Any:
        distribution = self.distributions[path]
        if not isinstance(distribution, FloatDistribution):
            return value
        return min(max(rounded(float(value)), distribution.low), distribution.high)


class _Sampler(BaseSampler):
    """Hands to Optuna what the proposer proposes, given `scored`."""

    def __init__(self, proposer: Proposer) -> None:
        self.proposer = proposer
        self.scored: Sequence[Scored] = ()

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.proposer.distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.proposer.propose(trial.number, self.scored)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise AssertionError("every setting is proposed together with the others")


def num_first(num_settings: int) -> int:
    """Candidates that lie on the Sobol sequence, each tried on one seed before any gets a second."""
    return 8 + 2 * num_settings


def _distribution(spread: Range) -> BaseDistribution:
    if spread.log_uniform is not None:
        return FloatDistribution(spread.log_uniform.from_, spread.log_uniform.to, log=True)
    if spread.uniform is not None:
        return FloatDistribution(spread.uniform.from_, spread.uniform.to)
    if spread.integers is not None:
        return IntDistribution(spread.integers.from_, spread.integers.to)
    assert spread.choice is not None
    return CategoricalDistribution(spread.choice)


def _at(distribution: BaseDistribution, share: float) -> Any:
    """The value at this share, from 0 up to but without 1, of the way through a range."""
    match distribution:
        case FloatDistribution(log=True, low=low, high=high):
            return low * (high / low) ** share
        case FloatDistribution(low=low, high=high):
            return low + share * (high - low)
        case IntDistribution(low=low, high=high):
            return low + int(share * (high - low + 1))
        case CategoricalDistribution(choices=choices):
            return choices[int(share * len(choices))]
    raise AssertionError(distribution)


def check_storage(place: str) -> None:
    """Raises:
    TrackingError: Optuna cannot use it.
    TrackingAway: the server cannot be reached.
    """
    with _usable(place):
        _storage(place).get_all_studies()


@contextmanager
def _usable(place: str) -> Iterator[None]:
    try:
        with _away_is_told(place):
            yield
    except (OSError, ImportError, ValueError) as error:
        raise TrackingError(f"Optuna cannot use {redact(place)}: {_first_line(error)}") from None
    except (LookupError, TypeError, AttributeError, AssertionError, NotImplementedError):
        if "://" in place:
            raise
        # Lines that are whole, and yet say what cannot be.
        raise TrackingError(f"Optuna cannot use {place}: it is damaged. {MOVE}") from None


@contextmanager
def _away_is_told(place: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, StorageInternalError) or is_away(error):
            raise TrackingAway(place, error, whose="Optuna's database") from error
        raise


def _storage(place: str | Path) -> BaseStorage:
    text = str(place)
    if "://" not in text:
        path = Path(text)
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(Journal(path))
    scheme = urlsplit(text).scheme
    if scheme == "postgresql" and find_spec("psycopg") is None:
        text = text.replace("postgresql:", "postgresql+psycopg2:", 1)
    if scheme.split("+")[0] not in SERVERS:
        allowed = f"the path of a journal file, or the URL of a database of {' or '.join(SERVERS)}"
        raise ValueError(f"allowed are {allowed}, which several searches can use at once")
    return RDBStorage(text)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
