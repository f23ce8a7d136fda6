"""Settings of the losses."""

from typing import Literal

from trainables.configuration import Config
from trainables.plugins.config import PluginConfig, component


class CrossEntropyConfig(Config):
    """Softmax cross-entropy, averaged over the batch."""

    name: Literal["cross_entropy"] = "cross_entropy"


class MeanSquaredErrorConfig(Config):
    """Squared error to one-hot targets, averaged over the batch and averaged or summed over classes.

    Walker et al.'s scripts average over classes, their appendix sums.
    """

    name: Literal["mean_squared_error"] = "mean_squared_error"
    over_classes: Literal["mean", "sum"] = "mean"


class PluginLossConfig(PluginConfig):
    """a loss plugin."""

    kind = "loss"


LossConfig = component(PluginLossConfig, CrossEntropyConfig, MeanSquaredErrorConfig)
