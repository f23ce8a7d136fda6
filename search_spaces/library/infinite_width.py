"""The infinite-width limit of Jacobian-regularised training (arXiv:2312.03386).

Of the paper only a summary was at hand, and no number of it. So each study holds a claim of the theory against networks
of growing width: the statistic and the threshold are ours, stated here before anything runs, and the figures they come
to are in the report. All inputs have norm 1, as the paper assumes.
"""

from typing import Any

from search_spaces.analyses import Curves, HeatMap, Measurements, Panel, Panels, PowerLaw, Statement
from search_spaces.predicates import Agreement, Difference, Level, Slope
from search_spaces.study import Study

Settings = dict[str, Any]

_PAPER = "arXiv:2312.03386"
_SPHERE: Settings = {"name": "sphere", "num_train": 12, "num_test": 64, "dimension": 4}
_STRENGTH = 0.2


def jntk_gp() -> Study:
    """Outputs and input derivatives of networks at initialisation, against their Gaussian process. A network's mixture
    over its hidden weights adds to the kurtosis in proportion to 1/n, so the slope should be -1; -0.7 leaves room for
    the noise of 4,000 networks. Those of width 4,096, `wide`, should not be told from normal ones, of which p values
    have the mean 0.5. How often the test would have seen an excess of 5% is measured, too.
    """
    return Study(
        name="jntk-gp",
        question="Are outputs and input derivatives of wide networks jointly normal at initialisation?",
        seeds=10,
        trial={
            "data": {**_SPHERE, "num_train": 3, "num_test": 1, "dimension": 3},
            "budget": {"steps": 1},
            "procedure": {"name": "jntk_gp", "num_networks": 4000, "num_points": 3, "detectable": 0.05},
        },
        arms={
            "networks": {"grid": {"procedure.width": [16, 32, 64, 128, 256]}},
            "wide": {"procedure": {"width": 4096}},
        },
        analyses=(
            Statement(
                sentence="outputs and Jacobian at initialisation jointly converge to a Gaussian process",
                source=f"{_PAPER}, Theorem 3",
                that=(
                    Slope(arm="networks", metric="kurtosis_excess_size", below=-0.7),
                    Level(arm="networks", at={"procedure.width": 16}, metric="normality_p_value", below=0.05),
                    Level(arm="wide", metric="normality_p_value", above=0.2),
                ),
            ),
            PowerLaw(arm="networks", metrics=("kurtosis_excess_size", "normality_statistic", "covariance_error")),
            Measurements(
                metrics=(
                    "covariance_error",
                    "covariance_error_by_chance",
                    "kurtosis_excess",
                    "normality_p_value",
                    "normality_power",
                )
            ),
        ),
    )


def jntk_limit() -> Study:
    """The Jacobian NTK of networks at initialisation against that of infinite width. Entries are means over units, so
    the slope should be -0.5.
    """
    return Study(
        name="jntk-limit",
        question="Does the Jacobian NTK of a network at initialisation come to its limit as the width grows?",
        seeds=10,
        trial=_training(steps=1, lr=0.01) | {"evaluate": {"at": [0, 1]}, "probes": [{"name": "jacobian_ntk"}]},
        arms={"finite": {"grid": {"model.width": [64, 128, 256, 512, 1024, 2048]}}},
        analyses=(
            Statement(
                sentence="the finite Jacobian NTK at initialisation converges to a deterministic limit",
                source=f"{_PAPER}, Theorem 5",
                that=(
                    Slope(arm="finite", metric="first/train_jacobian_ntk_deviation", below=-0.4),
                    Slope(arm="finite", metric="first/train_jacobian_ntk_deviation", above=-0.6),
                ),
            ),
            PowerLaw(arm="finite", metrics=("first/train_jacobian_ntk_deviation",)),
        ),
    )


def jntk_constancy() -> Study:
    """The change of a network's Jacobian NTK over training. The theory bounds it by a constant times n^-1/2; of
    networks in practice it is nearer n^-1, which the second statement says.
    """
    change = "train_jacobian_ntk_change"
    return Study(
        name="jntk-constancy",
        question="Does the Jacobian NTK stay as it is in training, as the width grows?",
        seeds=10,
        trial=_training(steps=1000, lr=0.05) | {"probes": [{"name": "jacobian_ntk"}]},
        arms={"finite": {"grid": {"model.width": [64, 128, 256, 512, 1024]}}},
        analyses=(
            Statement(
                sentence="the finite Jacobian NTK stays nearly constant during training, by n^-1/2",
                source=f"{_PAPER}, Theorem 9",
                that=(Slope(arm="finite", metric=f"max/{change}", below=-0.5),),
            ),
            Statement(
                sentence="the change falls as 1/n, quicker than the bound",
                source="ours",
                that=(
                    Slope(arm="finite", metric=f"max/{change}", above=-1.25),
                    Slope(arm="finite", metric=f"max/{change}", below=-0.75),
                ),
            ),
            PowerLaw(arm="finite", metrics=(f"max/{change}",)),
            Curves(metrics=(change,)),
        ),
    )


def jntk_dynamics() -> Study:
    """Networks of growing width in training, against the linear differential equation of infinite width. The deviation
    should fall as n^-1/2; -0.3 leaves room for the narrowest, for which the theory is far away.

    The arms `kappa_1` to `kappa_0_1` scale the output: the smaller it is, the less is left of the random start, and the
    nearer are networks to the flow that starts at 0, their mean. That is said of the first step; at the end a smaller
    kappa has made the weights change more. Rates are scaled so that all have the same time. `limit` is that flow with
    kappa 0.1, which has no seed and is computed once; `drawn` starts from draws of the Gaussian process, with kappa 1.
    All seeds have the same examples.
    """
    lr, steps, deviation = 0.05, 1000, "train_outputs_deviation"
    own = {"name": "jntk_flow_deviation", "lr": lr, "strength": _STRENGTH}
    flow: Settings = {"name": "jntk_flow", "evaluate": {"per_decade": 8}, "strength": _STRENGTH}
    nothing = dict.fromkeys(("model", "loss", "optimiser", "regulariser", "dtype", "evaluate"))
    widest = {"model.width": 1024}
    return Study(
        name="jntk-dynamics",
        question="Do wide networks train as the linear equation of the limit says?",
        seeds=10,
        trial=_training(steps=steps, lr=lr) | {"data": {**_SPHERE, "seed": 0}},
        arms={
            "finite": {"probes": [own], "grid": {"model.width": [64, 128, 256, 512, 1024]}},
            **{f"kappa_{name}": _scaled(kappa, lr) for name, kappa in (("1", 1.0), ("0_3", 0.3), ("0_1", 0.1))},
            "drawn": {**nothing, "procedure": {**flow, "lr": lr, "start": "process"}},
            "limit": {**nothing, "procedure": {**flow, "lr": lr / 0.1**2, "kappa": 0.1}},
        },
        analyses=(
            Statement(
                sentence="the evolution under Jacobian-regularised training is described by a linear first-order "
                "ordinary differential equation",
                source=f"{_PAPER}, abstract and Theorem 9",
                that=(
                    Slope(arm="finite", metric="train_outputs_deviation", below=-0.3),
                    Slope(arm="finite", metric="train_derivatives_deviation", below=-0.3),
                    Agreement(arm="finite", at=widest, metrics=("train_residual", "train_flow_residual"), below=0.05),
                ),
            ),
            Statement(
                sentence="the training loss converges exponentially, at a rate that the smallest eigenvalue bounds",
                source=f"{_PAPER}, Theorem 9",
                that=(Level(arm="finite", at=widest, metric="max/train_residual_over_bound", below=1.05),),
            ),
            Statement(
                sentence="a small kappa suppresses the randomness of the start",
                source=f"{_PAPER}, the scale of the output",
                that=(
                    Difference(arm="kappa_0_3", than="kappa_1", metric=f"first/{deviation}", below=0),
                    Difference(arm="kappa_0_1", than="kappa_0_3", metric=f"first/{deviation}", below=0),
                    Difference(arm="kappa_0_1", than="limit", metric="train_loss", above=-0.05),
                    Difference(arm="kappa_0_1", than="limit", metric="train_loss", below=0.05),
                ),
            ),
            PowerLaw(arm="finite", metrics=("train_outputs_deviation", "train_derivatives_deviation")),
            Curves(metrics=("train_loss", "test_loss")),
            Measurements(metrics=("train_loss", "test_loss", deviation, f"first/{deviation}")),
        ),
    )


def jntk_eigenvalue() -> Study:
    """The smallest eigenvalue of the Jacobian NTK, which theory assumes to be positive: a trial whose eigenvalue cannot
    be told from 0 fails. The clauses say which of two is larger, so their threshold is 0. They compare logarithms, for
    over draws of the examples eigenvalues spread by factors.
    """
    metric = "jntk_smallest_eigenvalue_log10"
    return Study(
        name="jntk-eigenvalue",
        question="How does the smallest eigenvalue of the Jacobian NTK depend on activation, depth and data?",
        seeds=5,
        trial={"budget": {"steps": 1}, "procedure": {"name": "jntk_eigenvalue"}},
        arms={name: {"data": data, "grid": _GRID} for name, data in _EIGENVALUE_DATA.items()},
        analyses=(
            Statement(
                sentence="the smallest eigenvalue of the JNTK depends on activation function, depth, and dataset",
                source=f"{_PAPER}, experiments",
                that=(
                    Difference(arm="sphere", at=_at("gelu", 4), than="sphere", than_at=_at("gelu", 1), metric=metric),
                    Difference(arm="sphere", at=_at("erf", 2), than="sphere", than_at=_at("gelu", 2), metric=metric),
                    Difference(
                        arm="sphere", at=_at("gelu", 2), than="near_parallel", than_at=_at("gelu", 2), metric=metric
                    ),
                ),
            ),
            *(HeatMap(arm=arm, x=_DEPTH, y=_ACTIVATION, metric=metric) for arm in _EIGENVALUE_DATA),
            Measurements(metrics=("jntk_smallest_eigenvalue", metric, "ntk_smallest_eigenvalue")),
        ),
    )


def jntk_features() -> Study:
    """Each feature that kernel regression is a sum of, and how much of its accuracy an attack on the feature takes. A
    larger lambda should leave features that lose less; that the difference is above 0 is all that is claimed.
    """
    strengths = [0.01, 0.1, 1.0]
    return Study(
        name="jntk-features",
        question="Does Jacobian regularisation make the features of the regression as robust as they are accurate?",
        seeds=5,
        trial={
            "data": {
                "name": "mnist",
                "classes": [0, 1],
                "task": "binary",
                "per_class": 100,
                "num_test": 400,
                "unit_norm": True,
            },
            "budget": {"steps": 30},
            "procedure": {"name": "jntk_features", "num_features": 30, "hidden_layers": 3, "epsilon": 0.3},
        },
        arms={"ntk": {}, "jntk": {"grid": {"procedure.strength": strengths}}},
        analyses=(
            Statement(
                sentence="Jacobian regularisation promotes the alignment of accuracy and robustness of the features",
                source=f"{_PAPER}, eigenfeatures",
                that=tuple(
                    Difference(
                        arm="jntk",
                        at={"procedure.strength": strength},
                        than="ntk",
                        metric="mean_accuracy_lost",
                        below=0,
                    )
                    for strength in strengths
                ),
            ),
            Panels(
                panels=(Panel(metrics=("test_accuracy",)), Panel(metrics=("test_robust_accuracy",))),
            ),
            Measurements(metrics=("mean_accuracy_lost", "sum_test_accuracy", "sum_test_robust_accuracy")),
        ),
    )


_ACTIVATION, _DEPTH = "procedure.activation", "procedure.hidden_layers"
_GRID = {_ACTIVATION: ["erf", "gelu", "tanh"], _DEPTH: [1, 2, 3, 4]}
_EIGENVALUE_DATA: dict[str, Settings] = {
    "sphere": {"name": "sphere", "num_train": 32, "num_test": 1, "dimension": 8},
    "near_parallel": {"name": "sphere", "num_train": 32, "num_test": 1, "dimension": 8, "angle": 0.1},
    "mnist": {
        "name": "mnist",
        "classes": [0, 1],
        "task": "binary",
        "per_class": 16,
        "num_test": 1,
        "unit_norm": True,
    },
    "digits": {"name": "digits", "num_train": 32, "num_test": 1, "unit_norm": True},
}


def _at(activation: str, hidden_layers: int) -> Settings:
    return {_ACTIVATION: activation, _DEPTH: hidden_layers}


def _training(*, steps: int, lr: float) -> Settings:
    """Gradient descent whose limit for small steps and infinite width is `jntk_flow`."""
    return {
        "data": _SPHERE,
        "model": {"name": "ntk_mlp", "width": 1024, "hidden_layers": 2},
        "loss": "mean_squared_error",
        "optimiser": {"name": "sgd", "lr": lr},
        "regulariser": {
            "name": "jacobian",
            "norm": "half_mean_square",
            "projections": "exact",
            "strength": _STRENGTH,
        },
        "dtype": "float64",
        "budget": {"steps": steps},
        "evaluate": {"per_decade": 8},
    }


def _scaled(kappa: float, lr: float) -> Settings:
    """The kernel is proportional to kappa squared, so the rate over that gives the same time."""
    scaled = lr / kappa**2
    probe = {"name": "jntk_flow_deviation", "lr": scaled, "strength": _STRENGTH, "start": "mean"}
    return {"model": {"kappa": kappa}, "optimiser": {"lr": scaled}, "probes": [probe]}
