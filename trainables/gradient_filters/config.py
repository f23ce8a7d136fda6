"""Settings of the gradient filters."""

from typing import Annotated, Literal

from pydantic import Field

from trainables.configuration import Config, Float, NonNegativeFloat
from trainables.plugins.config import PluginConfig, component


class EmaConfig(Config):
    """Grokfast: `gain` times an exponential moving average of the gradients is added to the gradient (Lee et al.)."""

    name: Literal["ema"] = "ema"
    decay: Annotated[Float, Field(ge=0, lt=1)]
    gain: NonNegativeFloat


class PluginGradientFilterConfig(PluginConfig):
    """a gradient filter plugin."""

    kind = "gradient_filter"


GradientFilterConfig = component(PluginGradientFilterConfig, EmaConfig)
