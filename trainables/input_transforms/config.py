"""Settings of the input noise."""

from typing import Literal

from trainables.configuration import Config, NonNegativeFloat, named


class TanHuangConfig(Config):
    """Gaussian noise on the normalised inputs of every minibatch, after Tan & Huang as Walker et al.'s scripts have it.

    Its standard deviation is max(scale * (1 - training accuracy), floor), the accuracy read before every epoch.
    """

    name: Literal["tan_huang"] = "tan_huang"
    scale: NonNegativeFloat
    floor: NonNegativeFloat


InputNoiseConfig = named(TanHuangConfig)
