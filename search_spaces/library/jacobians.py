"""Walker et al. 2025, Table 2 and Figure 9: what becomes of the Jacobian at the training points when the trials of
Table 1 train on.

These trials are Table 1's, with its probes and without its goal. The paper tells the length of neither experiment, and
Figure 9's architecture neither. Table 2's test accuracies, 87 to 92%, lie well beyond Table 1's goal of 85%; so both go
on to epoch 40,001, a choice of ours. It is an evaluation at which the probes are due: what is measured there stays the
same should another study train the trials further.
"""

from collections.abc import Mapping
from typing import NamedTuple

from search_spaces.analyses import Curves, Measurements
from search_spaces.library.table1 import table1_ce, table1_mse
from search_spaces.references import Reference
from search_spaces.study import Study

EPOCHS = 40_001
"""Of the evaluations after epochs 1, 11, 21, … every twentieth has all probes: 1, 201, 401, … 40,001."""

ALIGNMENT = "train_jacobian_row_alignment"
EXPLAINED_VARIANCE = "train_jacobian_explained_variance_mean"


class Row(NamedTuple):
    """Of Table 2: the extreme cosines between a training point and a row of the Jacobian there, and the accuracy.

    How the extremes are taken is not told. Ours of all points and rows, and the means over points of each point's own
    extremes, both stand beside the published ones.
    """

    least: float
    greatest: float
    test_accuracy: float

    @property
    def figures(self) -> dict[str, float]:
        """By the metric of ours."""
        return {
            f"{ALIGNMENT}_max": self.greatest,
            f"{ALIGNMENT}_mean_max": self.greatest,
            f"{ALIGNMENT}_min": self.least,
            f"{ALIGNMENT}_mean_min": self.least,
            "test_accuracy": self.test_accuracy,
        }


def table2_ce() -> Study:
    """The upper half, which we take for cross-entropy: the table does not say which loss a half is of."""
    return _table2(
        table1_ce(),
        name="table2-ce",
        loss="cross-entropy",
        published={
            "baseline": Row(-0.254, 0.283, 0.889),
            "jacobian": Row(-0.509, 0.478, 0.918),
            "adversarial": Row(-0.253, 0.274, 0.880),
        },
    )


def table2_mse() -> Study:
    """The lower half, which we take for mean-squared error. That jacobian's lower extreme is negative is inferred too:
    the table prints a dash apart from it.
    """
    return _table2(
        table1_mse(),
        name="table2-mse",
        loss="mean-squared error",
        published={
            "baseline": Row(-0.170, 0.272, 0.868),
            "jacobian": Row(-0.638, 0.709, 0.882),
            "adversarial": Row(-0.263, 0.376, 0.878),
        },
    )


def figure9_ce() -> Study:
    """The explained variance of the Jacobian's first principal component under cross-entropy."""
    return _figure9(table1_ce(), name="figure9-ce", loss="cross-entropy")


def figure9_mse() -> Study:
    """The explained variance of the Jacobian's first principal component under mean-squared error."""
    return _figure9(table1_mse(), name="figure9-mse", loss="mean-squared error")


def _table2(table1: Study, *, name: str, loss: str, published: Mapping[str, Row]) -> Study:
    metrics = tuple(published["baseline"].figures)
    return _trained_on(
        table1,
        name=name,
        question=f"Which methods align the rows of the Jacobian with the training points, under {loss}?",
        arms={arm: arm for arm in published},
        analyses=(Measurements(metrics=metrics, baseline="baseline"), Curves(metrics=metrics)),
        reference=tuple(
            _published(arm, metric, row.figures[metric], loss) for metric in metrics for arm, row in published.items()
        ),
    )


def _published(arm: str, metric: str, value: float, loss: str) -> Reference:
    """The table gives three digits, no error, and no number of seeds."""
    source = (
        f"Walker et al. 2025, Table 2, the half taken for {loss}; how its extremes are taken over points and rows is "
        "not told"
    )
    return Reference(arm=arm, metric=metric, value=value, num_seeds=None, source=source)


def _figure9(table1: Study, *, name: str, loss: str) -> Study:
    return _trained_on(
        table1,
        name=name,
        question=f"Does the Jacobian tend towards rank one under {loss}?",
        # Weight decay is what the optimiser of every arm has, so alone it is Table 1's baseline.
        arms={"weight_decay": "baseline", "jacobian": "jacobian"},
        analyses=(
            Curves(metrics=(EXPLAINED_VARIANCE, "test_accuracy")),
            Measurements(metrics=(EXPLAINED_VARIANCE, "test_accuracy"), baseline="weight_decay"),
        ),
    )


def _trained_on(
    table1: Study,
    *,
    name: str,
    question: str,
    arms: Mapping[str, str],
    analyses: tuple[Curves | Measurements, ...],
    reference: tuple[Reference, ...] = (),
) -> Study:
    """Trials of Table 1 without its goal. arms: name -> the arm of Table 1 that it is."""
    trial = {setting: value for setting, value in table1.trial.items() if setting != "goal"}
    return Study(
        name=name,
        question=question,
        seeds=table1.seeds,
        trial=trial | {"budget": table1.trial["budget"] | {"epochs": EPOCHS}},
        arms={name: table1.arms[arm] for name, arm in arms.items()},
        analyses=analyses,
        reference=reference,
    )
