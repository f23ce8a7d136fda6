"""The race: which candidate gets the next seed, which one is out, which one is best.

Candidates get the same seeds in the same order, and are compared on those that both have. While few candidates have
been tried, each new one gets one seed. From then on new candidates alternate with further seeds, more of them as the
search goes on: the more candidates, the luckier is the luckiest. A further seed goes to the candidate that would be the
best if its seeds so far were unlucky by two standard errors: so good luck on the first seeds is found out, and bad luck
is, too. At the end of a budget in trials no new candidates are tried. A candidate is out once another one is told to be
better in every objective, by a test that holds at every evaluation (statistics/sequential.py).

What is guaranteed: the best of all candidates is ever out with a probability of at most `ERROR_RATE`, if paired
differences are independent and normal. For it to be out, one of the others must be told to be better, which is wrong;
each of them may do so with its share of the error rate.

Nothing here runs, waits or remembers: the same values give the same decisions, in a search that was killed as well.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from grokgrid.statistics import is_greater
from grokgrid.statistics.times import Floats

ERROR_RATE = 0.05
GROWTH = 1.5
"""The n-th new candidate, not counting the first ones, comes after n to this power further seeds: the 4th after 8, the
25th after 125. With as many further seeds to each (1) good candidates stay behind whose first seed was unlucky; if
their number grew as that of candidates does (2), too few candidates would be tried.
"""
OPTIMISM = 2.0
"""In standard errors."""


@dataclass(frozen=True, eq=False)
class Race:
    """Candidates so far.

    values           (candidates, seeds, objectives), less is better; NaN where a trial is not over
    most_candidates  that the search may try: the error rate is divided among them
    """

    values: np.ndarray
    most_candidates: int

    @classmethod
    def of(cls, values: ArrayLike, most_candidates: int) -> "Race":
        x = np.asarray(values, float)
        if x.ndim != 3 or np.isinf(x).any():
            raise ValueError(f"values: shape {x.shape}; finite (candidates, seeds, objectives), or NaN, are allowed")
        return cls(x, most_candidates)

    @property
    def num_seeds(self) -> int:
        return int(self.values.shape[1])

    @cached_property
    def num_done(self) -> np.ndarray:
        """Seeds that each candidate has, without any that came in before one that precedes it, (candidates,)."""
        blank = np.isnan(self.values).any(axis=2)
        done: np.ndarray = np.where(blank.any(axis=1), blank.argmax(axis=1), self.num_seeds)
        return done

    @cached_property
    def _leading(self) -> Floats:
        behind = np.arange(self.num_seeds)[None, :] >= self.num_done[:, None]
        return np.where(behind[:, :, None], np.nan, self.values)

    @cached_property
    def scores(self) -> Floats:
        """Means to compare candidates by, (candidates, objectives); NaN without a seed.

        The mean of the candidate with the most seeds, plus the mean difference from it on the seeds that both have: so
        no candidate gains from which seeds it has had.
        """
        if not self.num_done.any():
            return np.full((len(self.values), self.values.shape[2]), np.nan)
        x, reference = self._leading, int(self.num_done.argmax())
        has = self.num_done > 0
        scores = np.full((len(x), x.shape[2]), np.nan)
        scores[has] = np.nanmean(x[reference], axis=0) + np.nanmean(x[has] - x[reference], axis=1)
        return scores

    @cached_property
    def optimistic_scores(self) -> Floats | None:
        """Scores less `OPTIMISM` standard errors, (candidates, objectives); None while nothing is known of how
        differences scatter.

        The error is that of the mean difference on the seeds had so far, taken for the one on all seeds: none for a
        candidate that has them all. The standard deviation of a difference is pooled over candidates.
        """
        if not self.num_done.any():
            return None
        x, reference, n = self._leading, int(self.num_done.argmax()), self.num_done
        several = (n >= 2) & (np.arange(len(n)) != reference)
        freedom = int((n[several] - 1).sum())
        if not freedom:
            return None
        differences = x[several] - x[reference]
        squares = np.nansum((differences - np.nanmean(differences, axis=1, keepdims=True)) ** 2, axis=(0, 1))
        share = 1 / np.maximum(n, 1) - 1 / self.num_seeds
        optimistic: Floats = self.scores - OPTIMISM * np.sqrt(squares / freedom) * np.sqrt(share)[:, None]
        return optimistic

    @cached_property
    def is_out(self) -> np.ndarray:
        """Of each candidate whether another is told to be better in every objective, (candidates,)."""
        k = len(self.values)
        if k < 2:
            return np.zeros(k, bool)
        level = ERROR_RATE / (max(self.most_candidates, k) - 1)
        # One seed alone tells nothing, and most candidates have no more.
        several = np.flatnonzero(self.num_done >= 2)
        # (candidate, other, objective, seed): a blank in either is one in the difference.
        x = self._leading[several].transpose(0, 2, 1)
        worse = np.all(is_greater(x[:, None] - x[None, :], level), axis=2)
        is_out = np.zeros(k, bool)
        is_out[several] = np.any(worse, axis=1)
        return is_out

    @cached_property
    def ranks(self) -> np.ndarray:
        """By score, from 0, the best, (candidates,)."""
        return _ranks(self.scores)

    def best(self) -> list[int]:
        """The winner or, of several objectives, the front; of candidates that are in, and have at least half of
        the most seeds that one of these has: a few lucky seeds make no winner.
        """
        is_in = ~self.is_out & (self.num_done > 0)
        if not is_in.any():
            return []
        enough = is_in & (2 * self.num_done >= self.num_done[is_in].max())
        if self.values.shape[2] == 1:
            return [int(np.where(enough, self.scores[:, 0], np.inf).argmin())]
        rest = Race(self.values[enough], self.most_candidates)
        return [int(index) for index in np.flatnonzero(enough)[rest.ranks == 0]]

    def next_for_a_seed(self, num_waiting: ArrayLike, may_run: ArrayLike) -> int | None:
        """The candidate to get a further seed: the best by optimistic score that has not all of them, one with none
        under way first. Of several objectives the best are a front, and of a front the one with the fewest seeds is.

        num_waiting  seeds under way of each candidate, (candidates,)
        may_run      whether it may be given any, (candidates,)
        """
        waiting = np.asarray(num_waiting, int)
        given = self.num_done + waiting
        open_ = np.flatnonzero(np.asarray(may_run, bool) & ~self.is_out & (given < self.num_seeds))
        if not len(open_):
            return None
        fresh = open_[given[open_] == 0]
        if len(fresh):
            return int(fresh[0])
        ranks = _ranks(self.scores if self.optimistic_scores is None else self.optimistic_scores)
        # How differences scatter takes two candidates with two seeds each.
        first, second = (given, ranks) if self.optimistic_scores is None else (ranks, given)
        order = np.lexsort((open_, second[open_], first[open_], waiting[open_] > 0))
        return int(open_[order[0]])


def is_turn_of_a_new_one(num_candidates: int, num_seeds_given: int, num_first: int) -> bool:
    """Whether a new candidate is next, rather than a further seed of one that is there.

    num_seeds_given  over all candidates, those under way too
    num_first        candidates to be tried on one seed before any gets a second
    """
    num_further = num_seeds_given - num_candidates
    num_new = num_candidates - num_first + 1
    return num_new <= 0 or num_new**GROWTH <= num_further


def _ranks(scores: Floats) -> np.ndarray:
    """From 0, the best, (candidates,), of scores (candidates, objectives): of one objective by score; of several, how
    many times the front of those that no other dominates must be taken away before one belongs to it. Blanks (NaN) are
    behind all others.
    """
    ranks = np.full(len(scores), len(scores))
    left = np.flatnonzero(~np.isnan(scores).any(axis=1))
    for rank in range(len(left)):
        if not len(left):
            break
        no_worse = (scores[left][:, None] <= scores[left][None, :]).all(axis=2)
        better = (scores[left][:, None] < scores[left][None, :]).any(axis=2)
        dominated = (no_worse & better).any(axis=0)
        ranks[left[~dominated]] = rank
        left = left[dominated]
    return ranks


def last_seeds(num_trials: int, num_seeds: int) -> int:
    """Of a budget in trials, how many at its end are not spent on new candidates: enough for two to have all seeds."""
    return min(2 * num_seeds, num_trials // 3)
