"""The package pyautoattack, called so that nothing else notices.

It seeds torch's global generators, ends whatever traces the process (coverage, a debugger) and writes warnings to a
logger. It takes images (examples, channels, height, width), and clamps them to [0, 1] without a word.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pyautoattack
import torch
from torch import Tensor

from trainables.assessments._balls import Ball
from trainables.assessments._curves import Found
from trainables.assessments.base import AssessedNetwork, AssessmentInput
from trainables.randomness import Stream, seed_of, words
from trainables.validation import Problem, ValidationErrors

_NORMS = {"linf": "Linf", "l2": "L2"}
_TARGETS = 9
"""Classes that a targeted part tries (Croce & Hein 2020, section 4.1), where there are as many others."""
_LEAST = 5
"""Height and width of the smallest image that square can attack in l2: it divides by a fifth of them."""

# Nothing is attached to it, and it passes nothing on.
_SILENT = logging.Logger("autoattack", level=logging.CRITICAL + 1)


def attack(at: AssessmentInput, ball: Ball, parts: Sequence[str], restarts: int | None, batch: int) -> Found:
    """All parts, on all examples of `at` at once; the clean example where what they found lies outside of the ball.

    batch  the number of the first example of the batch, of which `at` may be a part
    """
    images = at.x.reshape(image_shape(at.x.shape))
    if "square" in parts and ball.norm == "l2" and min(images.shape[2:]) < _LEAST:
        wrong = f"square attacks images of at least {_LEAST} x {_LEAST} pixels in l2; an example is"
        raise ValidationErrors("autoattack", [Problem(("parts",), f"{wrong} {tuple(at.x.shape[1:])}")])
    made = pyautoattack.AutoAttack(
        logits(at.network, at.x.shape[1:]),
        attacks=list(parts),
        # As `standard` does below, and not with this version's five runs of each part.
        version="custom",
        norm=_NORMS[ball.norm],
        eps=ball.size,
        seed=seed_at(at.seed, ball, batch),
        device=at.x.device,
    )
    made.verbose = False
    made.logger = made.apgd.logger = made.apgd_targeted.logger = _SILENT
    for part in (made.apgd, made.apgd_targeted, made.fab, made.square):
        part.n_restarts = restarts or 1
    made.apgd_targeted.n_target_classes = made.fab.n_target_classes = min(_TARGETS, max(2, at.network.num_outputs) - 1)
    labels = (at.y == 1).long() if at.network.num_outputs == 1 else at.y.long()
    with unnoticed():
        found, _ = made.run_standard_evaluation(images.float(), labels, batch_size=len(images))
    points = found.reshape(at.x.shape).to(at.x.dtype)
    is_inside = ball.contains(points, at.x)
    return Found(torch.where(is_inside.reshape(-1, *[1] * (points.dim() - 1)), points, at.x))


def logits(network: AssessedNetwork, shape: torch.Size) -> Callable[[Tensor], Tensor]:
    """Images in float32 -> an output for each class, in float32. shape: of an example as the network takes it"""

    def of(images: Tensor) -> Tensor:
        outputs = network(images.reshape(-1, *shape).to(network.dtype)).float()
        if outputs.shape[1] == 1:
            return torch.cat([torch.zeros_like(outputs), outputs], dim=1)
        # A copy, for square writes into it.
        return outputs.clone()

    return of


def image_shape(shape: torch.Size) -> tuple[int, ...]:
    """As (examples, channels, height, width); what is no image is one of a single row."""
    match tuple(shape):
        case (num, height, width):
            return num, 1, height, width
        case (_, _, _, _) as image:
            return image
        case (num, *_):
            return num, 1, 1, shape[1:].numel()
    raise AssertionError(f"no examples: {tuple(shape)}")


def seed_at(seed: int, ball: Ball, batch: int) -> int:
    """What the code draws from: of the trial's seed, the size and the batch."""
    return seed_of(seed, Stream.ASSESSMENTS, *words(f"autoattack {ball.norm} {ball.size!r}"), batch)


@contextmanager
def unnoticed() -> Iterator[None]:
    """Afterwards torch's global generators and the process's trace function are as they were before."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    tracing = sys.gettrace()
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        sys.settrace(tracing)
