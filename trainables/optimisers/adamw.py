"""AdamW (Loshchilov & Hutter 2019)."""

from collections.abc import Callable
from typing import Any, Literal

from trainables.configuration import NonNegativeFloat
from trainables.optimisers._adam import AdamLike


class AdamW(AdamLike):
    """AdamW, weight decay decoupled from the gradient (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    weight_decay: NonNegativeFloat = 0.01

    @property
    def of_torch(self) -> Callable[..., Any]:
        from torch.optim.adamw import adamw

        return adamw
