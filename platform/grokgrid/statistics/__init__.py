"""Statistics of times to a goal over seeds: pure functions, frozen results that give their own intervals.

times           Times, and their restricted mean
reading         times read from curves: to a goal, of the grokking phase
pairs           pairs by seed: ratios and bounds, who is sooner, tests
estimates       of a typical quantity: geometric mean, censored fit, bound
evidence        what an interval decides; `WhyOpen`: every reason for which a figure is open
typical         which of them to print, and whether to trust it: of times, of ratios
multiplicity    p values of many comparisons at once: `holm`, `holm_within`
accelerations   all of it for an arm and the baseline: `acceleration`
samples         a metric at the end of training: its mean, its difference from the baseline's
robustness      accuracy against size: its area, the front of clean and robust accuracy, who dominates whom
choices         how sure the choice of the best candidate is
sequential      a paired test that may be looked at after every seed
verdicts        a published figure beside ours: `verdict`; what a threshold claims: `threshold_verdict`
curves          over seeds: fraction that has reached the goal, mean of a metric, where it changes
"""

from grokgrid.statistics.accelerations import Acceleration, Direction, MeanSd, acceleration
from grokgrid.statistics.choices import NUM_RESAMPLES, Better, p_not_behind, wins
from grokgrid.statistics.curves import (
    Band,
    FractionReached,
    MeanCurve,
    by_trial,
    fraction_reached,
    mean_curve,
    where_changing,
)
from grokgrid.statistics.estimates import Bound, CensoredFit, Estimator, GeometricMean, Interval
from grokgrid.statistics.evidence import (
    SIGNIFICANT,
    VAGUE,
    Evidence,
    Finding,
    WhyOpen,
    is_significant,
    judge_difference,
    judge_ratio,
)
from grokgrid.statistics.multiplicity import holm, holm_within
from grokgrid.statistics.pairs import Improvement, PairedTest, PairedTestKind, RatioKind
from grokgrid.statistics.reading import phase_seconds, time_to_goal
from grokgrid.statistics.robustness import Dominance, Share, dominance, dominates, mean_over_sizes, on_front
from grokgrid.statistics.samples import PairedDifference, SampleMean, paired_difference, sample_verdict
from grokgrid.statistics.sequential import e_values, is_greater
from grokgrid.statistics.times import Times, restricted_mean
from grokgrid.statistics.typical import FEW_SEEDS, Typical, typical_time
from grokgrid.statistics.verdicts import (
    Judgement,
    OfThreshold,
    Published,
    Verdict,
    of_all,
    standard_deviation,
    threshold_verdict,
    verdict,
)

__all__ = [
    "FEW_SEEDS",
    "Acceleration",
    "Band",
    "OfThreshold",
    "NUM_RESAMPLES",
    "Better",
    "Bound",
    "CensoredFit",
    "Direction",
    "Dominance",
    "Estimator",
    "Evidence",
    "Finding",
    "FractionReached",
    "GeometricMean",
    "Improvement",
    "Interval",
    "Judgement",
    "MeanCurve",
    "MeanSd",
    "PairedDifference",
    "PairedTest",
    "PairedTestKind",
    "Published",
    "SIGNIFICANT",
    "RatioKind",
    "SampleMean",
    "Share",
    "Times",
    "Typical",
    "VAGUE",
    "Verdict",
    "WhyOpen",
    "acceleration",
    "by_trial",
    "dominance",
    "dominates",
    "e_values",
    "fraction_reached",
    "holm",
    "holm_within",
    "is_greater",
    "is_significant",
    "judge_difference",
    "judge_ratio",
    "mean_curve",
    "mean_over_sizes",
    "of_all",
    "on_front",
    "p_not_behind",
    "paired_difference",
    "phase_seconds",
    "restricted_mean",
    "sample_verdict",
    "standard_deviation",
    "time_to_goal",
    "threshold_verdict",
    "typical_time",
    "verdict",
    "where_changing",
    "wins",
]
