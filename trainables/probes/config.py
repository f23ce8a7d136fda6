"""Settings of the probes. `every: 10` measures at every tenth evaluation, the first included."""

from typing import Annotated, Literal, Self

from pydantic import model_validator

from trainables.configuration import Config, PositiveInt, spelled
from trainables.names import MAX_METRIC
from trainables.plugins.config import PluginConfig, component
from trainables.validation import shown


class AccuracyConfig(Config):
    """The share of examples whose largest output is their class's."""

    name: Literal["accuracy"] = "accuracy"
    on: Literal["train", "validation", "test"]
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        return (f"{self.on}_accuracy",)


class LossProbeConfig(Config):
    """The loss without regularisation or noise."""

    name: Literal["loss"] = "loss"
    on: Literal["train", "validation", "test"]
    every: PositiveInt = 1

    @property
    def metrics(self) -> tuple[str, ...]:
        return (f"{self.on}_loss",)


class JacobianNormConfig(Config):
    """The exact Frobenius norm of the Jacobian at each point: mean, min and max over the first `num_points`."""

    name: Literal["jacobian_norm"] = "jacobian_norm"
    on: Literal["train", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_jacobian_norm_{stat}" for stat in ("mean", "min", "max"))


class JacobianRowsConfig(Config):
    """The cosines between each point and the rows of the Jacobian there (Walker et al., Appendix E, Table 2), over the
    first `num_points`: the extremes of all, and the means over points of each point's extremes. The paper does not say
    which its "max/min" are. A point with a row of zeros has none.
    """

    name: Literal["jacobian_rows"] = "jacobian_rows"
    on: Literal["train", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_jacobian_row_alignment_{stat}" for stat in ("min", "max", "mean_min", "mean_max"))


class JacobianSpectrumConfig(Config):
    """The explained variance of the Jacobian's first principal component, s1^2 / sum of s_i^2 with the singular values
    s_i, not centred (Walker et al., Figure 9): mean, min and max over the first `num_points`. It is 1 where the
    Jacobian has rank one.
    """

    name: Literal["jacobian_spectrum"] = "jacobian_spectrum"
    on: Literal["train", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_jacobian_explained_variance_{stat}" for stat in ("mean", "min", "max"))


class CentroidConfig(Config):
    """The centroid J'1 (Walker et al., Theorem 4) at each point x: its cosine with x (Definition 5), its norm, its
    inner product with x: mean, min and max over the first `num_points`. A point whose centroid is zero has no
    alignment, and then none of the three is a number.
    """

    name: Literal["centroid"] = "centroid"
    on: Literal["train", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(
            f"{self.on}_centroid_{quantity}_{stat}"
            for quantity in ("alignment", "norm", "inner_product")
            for stat in ("mean", "min", "max")
        )


class PluginProbeConfig(PluginConfig):
    """a measurement plugin, over the first `num_points`: `train_NAME`, NAME being that of the function or class.

    gives  the names of several values, `train_NAME_GIVEN` each; none: it is one value
    """

    kind = "probe"

    on: Literal["train", "validation", "test"] = "train"
    num_points: PositiveInt | None = None
    every: PositiveInt = 10
    gives: tuple[Annotated[str, spelled(r"[A-Za-z_]\w*", "a name of letters, digits and _")], ...] = ()

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        long = [metric for metric in self.metrics if len(metric) > MAX_METRIC]
        if long:
            raise ValueError(
                f"{shown(long[0])} has {len(long[0])} characters; a metric’s name has at most {MAX_METRIC}"
            )
        return self

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(f"{self.on}_{self.object}_{given}" for given in self.gives) or (f"{self.on}_{self.object}",)


ProbeConfig = component(
    PluginProbeConfig,
    AccuracyConfig,
    LossProbeConfig,
    JacobianNormConfig,
    JacobianRowsConfig,
    JacobianSpectrumConfig,
    CentroidConfig,
)

ALWAYS: tuple[AccuracyConfig | LossProbeConfig, ...] = (
    AccuracyConfig(on="train"),
    AccuracyConfig(on="test"),
    LossProbeConfig(on="train"),
    LossProbeConfig(on="test"),
)
"""Measured at every evaluation unless a trial gives the same probe another schedule."""

ON_VALIDATION: tuple[AccuracyConfig | LossProbeConfig, ...] = (
    AccuracyConfig(on="validation"),
    LossProbeConfig(on="validation"),
)
"""The same, of trials whose data holds examples out."""
