"""One seed decides everything, through independent streams, one a purpose.

A trial with another method draws from the same streams for the same purposes: the same seed means the same initial
weights and the same order of the data, whatever the arm.
"""

import hashlib
from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """The purposes; a value is never given another meaning, for it decides the draws."""

    INIT = 0
    ORDER = 1
    INPUT_TRANSFORMS = 2
    REGULARISERS = 3
    PROBES = 5
    PLUGINS = 6
    MODEL = 7
    DATA = 8
    ASSESSMENTS = 9
    EXAMPLES = 10


def generator(seed: int, stream: Stream, *index: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator of a trial's stream; `index` tells apart independent parts of it, epochs say."""
    return torch.Generator(device).manual_seed(seed_of(seed, stream, *index))


def seed_of(seed: int, stream: Stream, *index: int) -> int:
    """What seeds that generator."""
    words = np.random.SeedSequence(entropy=seed, spawn_key=(int(stream), *index)).generate_state(2, np.uint32)
    return int(words[0]) << 31 ^ int(words[1])


def words(text: str) -> tuple[int, int]:
    """An index that stands for a text."""
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:4]), int.from_bytes(digest[4:8])
