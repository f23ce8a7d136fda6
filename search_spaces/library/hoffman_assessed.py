"""Hoffman et al. 2019, Table 2 and Figure 3: the networks that Table 1 trains on all digits, measured on the digits of
another data set, under white noise and under attack.

Their trials are those of `hoffman-table1-all`: whichever study runs first, the others take its networks.
"""

from typing import Any

from search_spaces.analyses import Measurements, RobustnessCurve
from search_spaces.library.hoffman import Arms, five_arms, full_training, published
from search_spaces.study import Study
from trainables.assessments.accuracy import Accuracy
from trainables.assessments.base import Assessment
from trainables.assessments.pgd import Pgd
from trainables.assessments.white_noise import WhiteNoise
from trainables.datasets.usps import Usps

_USPS = {"none": (80.4, 0.7), "l2": (83.3, 0.8), "dropout": (81.9, 1.4), "jacobian": (81.3, 0.9), "all": (85.7, 1.0)}
"""Table 2: accuracy in percent on USPS' test digits, and half of its 95% interval over 5 runs."""

_NOISE = tuple(round(0.1 * k, 1) for k in range(1, 11))
_DISTANCES = tuple(k / 255 for k in range(4, 33, 4))


def hoffman_table2() -> Study:
    """USPS, resized in both ways of `align_corners`: the paper does not say which is its own. Fifteen core-hours
    to train the networks, then minutes.
    """
    source = "Hoffman et al. 2019, Table 2; how its digits are resized at the corners is not told"
    references = tuple(
        published(arm, "usps_accuracy", value / 100, error / 100, source=source)
        for arm, (value, error) in _USPS.items()
    )
    return _table2("hoffman-table2", seeds=5, trial=full_training(), reference=references)


def hoffman_table2_small() -> Study:
    """200 digits to train and 200 to test, two seeds, 300 steps: minutes, to see that it works."""
    return _table2("hoffman-table2-small", seeds=2, trial=_small(), num_examples=200)


def hoffman_figure3() -> Study:
    """(a) white noise, (b) projected gradient descent in steps of 1/255 from the clean digit to at most 32/255 from it,
    on 1,000 test digits; (c), the attack of Carlini and Wagner, is not here. No sizes are printed: these are ours.
    Some thirty core-hours to train the networks.
    """
    assessments = (
        WhiteNoise(sizes=_NOISE, num_examples=1000),
        Pgd(sizes=_DISTANCES, steps=40, step_size=1 / 255, random_start=False, num_examples=1000),
    )
    return _figure3("hoffman-figure3", seeds=5, trial=full_training(), assessments=assessments)


def hoffman_figure3_small() -> Study:
    """200 digits to train and 200 to test, two seeds, 300 steps, two sizes: minutes, to see that it works."""
    assessments = (
        WhiteNoise(sizes=(0.2, 0.4), num_examples=200),
        Pgd(sizes=(8 / 255, 16 / 255), steps=10, step_size=2 / 255, random_start=False, num_examples=200),
    )
    return _figure3("hoffman-figure3-small", seeds=2, trial=_small(), assessments=assessments)


def _table2(
    name: str, *, seeds: int, trial: dict[str, Any], num_examples: int | None = None, reference: Any = ()
) -> Study:
    return Study(
        name=name,
        question="Do regularisers help LeNet', trained on MNIST, to read the digits of USPS?",
        seeds=seeds,
        trial=trial,
        arms=five_arms(),
        assessments=(
            Accuracy(label="usps", on=Usps(), num_examples=num_examples),
            Accuracy(label="usps_corners", on=Usps(align_corners=True), num_examples=num_examples),
        ),
        analyses=(Measurements(metrics=("usps_accuracy", "usps_corners_accuracy", "test_accuracy"), baseline="none"),),
        reference=reference,
    )


def _figure3(name: str, *, seeds: int, trial: dict[str, Any], assessments: tuple[Assessment, ...]) -> Study:
    return Study(
        name=name,
        question="Which regularisers make LeNet' robust against white noise and against attacks?",
        seeds=seeds,
        trial=trial,
        arms=_eight_arms(),
        assessments=assessments,
        analyses=(RobustnessCurve(baseline="none"),),
    )


def _eight_arms() -> Arms:
    """Table 1's; L2 and dropout together; and these, and all, together with adversarial training, whose size is drawn
    from 0 to 0.01 (section 3.2).
    """
    five = five_arms()
    both = {**five["l2"], **five["dropout"]}
    fgsm = {"input_transform": {"name": "fgsm", "low": 0.0, "high": 0.01}}
    return {**five, "l2_dropout": both, "l2_dropout_fgsm": {**both, **fgsm}, "all_fgsm": {**five["all"], **fgsm}}


def _small() -> dict[str, Any]:
    return full_training(steps=300, data={"num_train": 200, "num_test": 200})
