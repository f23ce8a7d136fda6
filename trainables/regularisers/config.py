"""Settings of the regularisers."""

from typing import Literal

from trainables.configuration import Config, NonNegativeFloat, PositiveInt
from trainables.plugins.config import PluginConfig, component


class JacobianConfig(Config):
    """`strength` times a norm of the Jacobian of the outputs with respect to the inputs, over the batch.

    norm         frobenius: the mean Frobenius norm (Walker et al.); half_mean_square: half the mean squared Frobenius
                 norm (Hoffman et al., eq. 3)
    projections  random unit vectors a sample (Hoffman et al., Algorithm 1), or `exact`. The squared norm is estimated
                 without bias; its root is not, so one projection, many and exact are different objectives
    level        None: toward zero. Otherwise |level - m| takes the place of m, be it the mean norm (Walker et al.,
                 Figure 5) or half the mean squared norm
    """

    name: Literal["jacobian"] = "jacobian"
    strength: NonNegativeFloat
    norm: Literal["frobenius", "half_mean_square"] = "frobenius"
    projections: PositiveInt | Literal["exact"] = 1
    level: NonNegativeFloat | None = None


class PluginRegulariserConfig(PluginConfig):
    """a regulariser plugin."""

    kind = "regulariser"


RegulariserConfig = component(PluginRegulariserConfig, JacobianConfig)
