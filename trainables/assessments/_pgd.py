"""Runs of projected gradient descent (Kurakin et al. 2017, Madry et al. 2018)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from trainables.assessments._balls import Ball, steepest, uniform
from trainables.assessments._curves import evaluated
from trainables.assessments._descent import Descent
from trainables.assessments._gradients import ascent
from trainables.assessments.base import AssessedNetwork, AssessmentInput
from trainables.probes.accuracy import are_right


class Run(NamedTuple):
    """A run of all steps, for each example.

    found             (examples, …): the first point of the run that the network misclassifies, else the last one
    outputs           (examples, outputs): the network's, at `found`
    last              (examples, …): the last point
    is_fooled         (examples,): whether any point is misclassified
    is_fooled_early   whether the point after a quarter of the steps is
    is_fooled_late    whether the last point is
    """

    found: Tensor
    outputs: Tensor
    last: Tensor
    is_fooled: Tensor
    is_fooled_early: Tensor
    is_fooled_late: Tensor


def run(network: AssessedNetwork, at: AssessmentInput, ball: Ball, settings: Descent, restart: int) -> Run:
    """On the examples of `at`, against `network`. No example stops before the last step."""
    x, y = at.x, at.y
    length = settings.step_at(ball.size)
    quarter = max(1, settings.steps // 4)
    point = _start(at, ball, settings, restart)
    fooled = early = torch.zeros_like(y, dtype=torch.bool)
    found, of_found = point.clone(), torch.zeros(len(x), network.num_outputs, dtype=network.dtype, device=x.device)
    for step in range(settings.steps + 1):
        is_last = step == settings.steps
        outputs, gradient = (evaluated(network, point), None) if is_last else ascent(network, point, y)
        wrong = ~are_right(outputs, y)
        kept = ~fooled if is_last else wrong & ~fooled
        found[kept], of_found[kept], fooled = point[kept], outputs[kept], fooled | wrong
        early = wrong if step <= quarter else early
        if gradient is not None:
            point = ball.project(steepest(gradient, ball.norm).mul_(length).add_(point), x)
    return Run(found, of_found, point, fooled, early, wrong)


def _start(at: AssessmentInput, ball: Ball, settings: Descent, restart: int) -> Tensor:
    if not settings.random_start:
        return at.x
    what = f"pgd {settings.norm} {ball.size!r} {restart}"
    drawn = at.draw(what, lambda generator: uniform(at.x.shape[1:], at.x.dtype, ball.norm, generator))
    return ball.project(at.x + ball.size * drawn, at.x)
