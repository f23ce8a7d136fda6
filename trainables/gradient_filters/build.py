"""Gradient filters: (gradients, state) -> (gradients, state), what changes gradients before the optimiser.

Both are name -> tensor; the state is empty before the first gradient, and part of a checkpoint.
"""

from collections.abc import Callable, Mapping

from torch import Tensor

from trainables.gradient_filters.config import EmaConfig, OwnGradientFilterConfig
from trainables.gradient_filters.ema import ema_filter
from trainables.mistakes import Mistake, Mistakes
from trainables.own.loading import load_part

Gradients = Mapping[str, Tensor]
GradientFilter = Callable[[Gradients, Gradients], tuple[Gradients, Gradients]]


def build_gradient_filter(config: EmaConfig | OwnGradientFilterConfig) -> GradientFilter:
    if isinstance(config, OwnGradientFilterConfig):
        part = load_part(config)

        def own(gradients: Gradients, state: Gradients) -> tuple[Gradients, Gradients]:
            given = part(dict(gradients), dict(state))
            if not (isinstance(given, tuple) and len(given) == 2 and all(isinstance(each, dict) for each in given)):
                wrong = f"{config.object} should return (gradients, state), two dicts, it returned {given!r}"
                raise Mistakes(config.kind, [Mistake(("name",), wrong)])
            if given[0].keys() != gradients.keys():
                lost = sorted(gradients.keys() ^ given[0].keys())
                wrong = f"{config.object} should return a gradient for every one it gets, not without or beside {lost}"
                raise Mistakes(config.kind, [Mistake(("name",), wrong)])
            # Nothing may hang on to the graph from one update to the next.
            return given[0], {name: tensor.detach() for name, tensor in given[1].items()}

        return own

    def ema(gradients: Gradients, state: Gradients) -> tuple[Gradients, Gradients]:
        filtered, averages = ema_filter(
            config, list(gradients.values()), [state[str(i)] for i in range(len(state))] or None
        )
        return dict(zip(gradients, filtered, strict=True)), {str(i): average for i, average in enumerate(averages)}

    return ema
