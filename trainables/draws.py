"""What a trial draws for its steps: a function of seed, purpose and step alone, so that no snapshot holds a generator.

Steps are drawn in chunks, of c steps each: c is the largest power of two, up to 256, for which a chunk has at most 2^20
numbers (at least 1). Chunk j is drawn at once, by a generator that (seed, stream, whose draws they are, j) seeds.
"""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from trainables.randomness import Stream, generator, words

MOST_STEPS, MOST_NUMBERS = 256, 2**20

Draw = Callable[[int, torch.Generator], dict[str, Tensor]]
"""(steps, generator) -> what is drawn for so many steps, by name: tensors whose first axis is the steps."""


@final
class Draws:
    """What one component draws."""

    def __init__(self, draw: Draw, seed: int, stream: Stream, name: str, device: torch.device) -> None:
        """name: tells apart the components that draw from the stream."""
        self._draw, self._device = draw, device
        self._seed, self._stream, self._index = seed, stream, words(name)
        numbers = sum(each.numel() for each in draw(1, torch.Generator(device)).values())
        self._draws_any = numbers > 0
        self.num_steps = chunk_steps(numbers)
        self._chunk: int | None = None
        self._drawn: dict[str, Tensor] = {}

    def at(self, step: int) -> dict[str, Tensor]:
        """Of a step, counted from 0: without the axis of the steps."""
        if not self._draws_any:
            return {}
        chunk, index = divmod(step, self.num_steps)
        if chunk != self._chunk:
            drawing = generator(self._seed, self._stream, *self._index, chunk, device=self._device)
            self._drawn, self._chunk = self._draw(self.num_steps, drawing), chunk
        return {name: each[index] for name, each in self._drawn.items()}


def chunk_steps(numbers: int) -> int:
    """How many steps are drawn at once where each takes so many numbers."""
    steps = MOST_STEPS
    while steps > 1 and steps * numbers > MOST_NUMBERS:
        steps //= 2
    return steps
