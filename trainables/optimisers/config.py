"""Settings of the optimisers."""

from typing import Annotated, Literal

from pydantic import Field

from trainables.configuration import Config, Float, NonNegativeFloat, PositiveFloat, named

_Beta = Annotated[Float, Field(ge=0, lt=1)]


class AdamWConfig(Config):
    """AdamW, weight decay decoupled from the gradient (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8


class SgdConfig(Config):
    """Stochastic gradient descent; `weight_decay` is coupled, L2 added to the gradient."""

    name: Literal["sgd"] = "sgd"
    lr: PositiveFloat
    momentum: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    weight_decay: NonNegativeFloat = 0.0


OptimiserConfig = named(Annotated[AdamWConfig | SgdConfig, Field(discriminator="name")])
