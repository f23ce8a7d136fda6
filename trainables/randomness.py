"""One seed decides everything, through independent streams, one a purpose.

A trial with another method draws from the same streams for the same purposes: the same seed means the same initial
weights and the same order of the data, whatever the arm.
"""

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """The purposes; a value is never given another meaning, for it decides the draws."""

    INIT = 0
    ORDER = 1
    NOISE = 2
    PROJECTIONS = 3
    MODEL = 4


def generator(seed: int, stream: Stream, *index: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator of a trial's stream; `index` tells apart independent parts of it, passes say."""
    words = np.random.SeedSequence(entropy=seed, spawn_key=(int(stream), *index)).generate_state(2, np.uint32)
    return torch.Generator(device).manual_seed(int(words[0]) << 31 ^ int(words[1]))
