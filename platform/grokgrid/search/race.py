"""The race: which candidate gets the next seed, which one is out, which one is best.

Candidates get the same seeds in the same order, and are compared on those that both have. While few candidates have
been tried, each new one gets one seed. From then on new candidates and further seeds take turns: a further seed goes
to the best candidate that has not had all of them, so luck on the first seeds does not last. At the end of a budget in
trials no new candidates are tried. A candidate is out once another one is told to be better in every objective, by a
test that holds at every look (statistics/sequential.py).

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
    def is_out(self) -> np.ndarray:
        """Of each candidate whether another is told to be better in every objective, (candidates,)."""
        k = len(self.values)
        if k < 2:
            return np.zeros(k, bool)
        level = ERROR_RATE / (max(self.most_candidates, k) - 1)
        # (candidate, other, objective, seed): a blank in either is one in the difference.
        x = self._leading.transpose(0, 2, 1)
        worse = np.all(is_greater(x[:, None] - x[None, :], level), axis=2)
        return np.asarray(np.any(worse, axis=1))

    @cached_property
    def ranks(self) -> np.ndarray:
        """From 0, the best, (candidates,): of one objective by score; of several, how many times the front of those
        that no other dominates must be taken away before one belongs to it. Without a seed: behind all others.
        """
        ranks = np.full(len(self.values), len(self.values))
        left = np.flatnonzero(self.num_done > 0)
        for rank in range(len(left)):
            if not len(left):
                break
            scores = self.scores[left]
            no_worse = (scores[:, None] <= scores[None, :]).all(axis=2)
            better = (scores[:, None] < scores[None, :]).any(axis=2)
            dominated = (no_worse & better).any(axis=0)
            ranks[left[~dominated]] = rank
            left = left[dominated]
        return ranks

    def best(self) -> list[int]:
        """The winner or, of several objectives, the front; of candidates that are in, and have at least a third of
        the most seeds that one of these has: a single lucky seed makes no winner.
        """
        is_in = ~self.is_out & (self.num_done > 0)
        if not is_in.any():
            return []
        enough = is_in & (3 * self.num_done >= self.num_done[is_in].max())
        if self.values.shape[2] == 1:
            return [int(np.where(enough, self.scores[:, 0], np.inf).argmin())]
        rest = Race(self.values[enough], self.most_candidates)
        return [int(index) for index in np.flatnonzero(enough)[rest.ranks == 0]]

    def next_for_a_seed(self, num_waiting: ArrayLike, may_run: ArrayLike) -> int | None:
        """The candidate to get a further seed: the best that has not all of them, one with none under way first.

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
        score = self.scores[:, 0] if self.values.shape[2] == 1 else given.astype(float)
        order = np.lexsort((open_, score[open_], self.ranks[open_], waiting[open_] > 0))
        return int(open_[order[0]])


def is_turn_of_a_new_one(num_candidates: int, num_seeds_given: int, num_first: int) -> bool:
    """Whether a new candidate is next, rather than a further seed of one that is there.

    num_seeds_given  over all candidates, those under way too
    num_first        candidates to be tried on one seed before any gets a second
    """
    num_further = num_seeds_given - num_candidates
    return num_candidates < num_first or num_candidates - num_first < num_further


def last_seeds(num_trials: int, num_seeds: int) -> int:
    """Of a budget in trials, how many at its end are not spent on new candidates: enough for two to have all seeds."""
    return min(2 * num_seeds, num_trials // 3)
