"""Adam (Kingma & Ba 2015)."""

from collections.abc import Callable
from typing import Any, Literal

from trainables.configuration import NonNegativeFloat
from trainables.optimisers._adam import AdamLike


class Adam(AdamLike):
    """Adam (Kingma & Ba 2015, Algorithm 1); `weight_decay` is coupled, L2 added to the gradient."""

    name: Literal["adam"] = "adam"
    weight_decay: NonNegativeFloat = 0.0

    @property
    def of_torch(self) -> Callable[..., Any]:
        from torch.optim.adam import adam

        return adam
