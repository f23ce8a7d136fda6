"""Settings of the models."""

from typing import Literal

from trainables.configuration import Bool, Config, PositiveFloat, PositiveInt
from trainables.plugins.config import PluginConfig, component


class MlpConfig(Config):
    """A fully connected network of `depth` linear maps; all but the last have `width` outputs.

    Weights start as torch's Linear does, each then multiplied by `init_scale`; outputs are multiplied by
    `output_scale`, all through training.
    """

    name: Literal["mlp"] = "mlp"
    width: PositiveInt = 196
    depth: PositiveInt = 4
    bias: Bool = True
    activation: Literal["relu", "tanh", "gelu"] = "relu"
    init_scale: PositiveFloat = 1.0
    output_scale: PositiveFloat = 1.0


class PluginModelConfig(PluginConfig):
    """a torch.nn.Module plugin."""

    kind = "model"


ModelConfig = component(PluginModelConfig, MlpConfig)
