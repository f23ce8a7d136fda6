"""What the probes measure: metric -> value, on the parameters as they stand, without changing anything."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainables.data.load import Data, On
from trainables.losses.build import Loss
from trainables.plugins.interfaces import ProbeInput
from trainables.plugins.loading import shown
from trainables.probes.config import (
    AccuracyConfig,
    CentroidConfig,
    JacobianNormConfig,
    JacobianRowsConfig,
    JacobianSpectrumConfig,
    LossProbeConfig,
    PluginProbeConfig,
    ProbeConfig,
)
from trainables.validation import Problem, ValidationErrors

_CHUNK = 1024
"""Points a Jacobian is taken at in one go: bounds the memory, whatever the size of the data."""


def measure(
    probes: tuple[ProbeConfig, ...],
    f: Callable[[Tensor], Tensor],
    data: Data,
    loss: Loss,
    *,
    parameters: Mapping[str, Tensor],
    own: Mapping[PluginProbeConfig, Callable[[ProbeInput], Any]],
    drawing: Callable[[str], torch.Generator | None],
) -> dict[str, float]:
    """Takes the measurements of `probes` on the function `f`: inputs (points, …) -> outputs (points, C); `parameters`
    and `own`, the parts behind them, are for plugin probes.

    drawing  called with the name of a measurement before it is taken; returns the generator of its draws, and has all
             that `f` and plugins draw from global ones depend on that name, too
    """

    @cache
    def outputs(on: On) -> Tensor:
        drawing(f"outputs, {on}")
        with torch.no_grad():
            return f(data.part(on)[0])

    @cache
    def jacobians(on: On, num_points: int | None) -> JacobianFacts:
        drawing(f"jacobians, {on}, {num_points}")
        return jacobian_facts(f, data.part(on)[0][:num_points])

    values: dict[str, Tensor | float] = {}
    for probe in probes:
        x, y = data.part(probe.on)
        match probe:
            case AccuracyConfig():
                values[f"{probe.on}_accuracy"] = (outputs(probe.on).argmax(1) == y).double().mean()
            case LossProbeConfig():
                given = outputs(probe.on)
                drawing(f"{probe.on}_loss")
                values[f"{probe.on}_loss"] = loss(given, y)
            case JacobianNormConfig():
                values |= _extremes(f"{probe.on}_jacobian_norm", jacobians(probe.on, probe.num_points).norm)
            case JacobianRowsConfig():
                facts, name = jacobians(probe.on, probe.num_points), f"{probe.on}_jacobian_row_alignment"
                values |= {f"{name}_min": facts.row_alignment_min.min(), f"{name}_max": facts.row_alignment_max.max()}
                values |= {f"{name}_mean_min": facts.row_alignment_min.mean()}
                values |= {f"{name}_mean_max": facts.row_alignment_max.mean()}
            case JacobianSpectrumConfig():
                facts = jacobians(probe.on, probe.num_points)
                values |= _extremes(f"{probe.on}_jacobian_explained_variance", facts.explained_variance)
            case CentroidConfig():
                x = x[: probe.num_points]
                drawing(f"centroids, {probe.on}, {probe.num_points}")
                mu, x = centroids(f, x).flatten(1), x.flatten(1)
                inner = (mu * x).sum(1)
                norm = mu.norm(dim=1)
                values |= _extremes(f"{probe.on}_centroid_alignment", inner / (norm * x.norm(dim=1)))
                values |= _extremes(f"{probe.on}_centroid_norm", norm)
                values |= _extremes(f"{probe.on}_centroid_inner_product", inner)
            case PluginProbeConfig():
                # Copies: what a probe writes into is nobody else's.
                points = x[: probe.num_points].clone(), y[: probe.num_points].clone()
                copies = {name: parameter.clone() for name, parameter in parameters.items()}
                draws = drawing(", ".join(probe.metrics))
                assert draws is not None
                values |= _own(probe, own[probe], ProbeInput(f, copies, *points, draws))
    return {name: float(value) for name, value in values.items()}


def _own(probe: PluginProbeConfig, part: Callable[[ProbeInput], Any], evaluation: ProbeInput) -> dict[str, float]:
    with torch.enable_grad():
        given = part(evaluation)
    try:
        if not probe.gives:
            return {probe.metrics[0]: float(given)}
        if given.keys() == set(probe.gives):
            return {metric: float(given[name]) for metric, name in zip(probe.metrics, probe.gives, strict=True)}
    except (TypeError, ValueError, AttributeError, RuntimeError):
        pass
    wanted = f"a dict of numbers for its `gives`, {', '.join(probe.gives)}" if probe.gives else "one number"
    raise ValidationErrors(
        probe.kind, [Problem(("name",), f"{probe.object} should return {wanted}, it returned {shown(given)}")]
    )


class JacobianFacts(NamedTuple):
    """What is measured of f's exact Jacobian J at each point x, each (points,).

    norm                    Frobenius
    row_alignment_min, max  the extreme cosines between x and the rows of J
    explained_variance      s1^2 / sum of s_i^2, s the singular values of J
    """

    norm: Tensor
    row_alignment_min: Tensor
    row_alignment_max: Tensor
    explained_variance: Tensor


def jacobian_facts(f: Callable[[Tensor], Tensor], x: Tensor) -> JacobianFacts:
    """Takes all Jacobians of a chunk of points at once, a backward pass an output. x: (points, …)."""
    chunks = []
    for part in x.split(_CHUNK):
        outputs, vjp, *_ = torch.func.vjp(f, part)
        basis = torch.eye(outputs.shape[1], dtype=x.dtype, device=x.device)
        J = torch.stack([vjp(row.expand_as(outputs))[0].flatten(1) for row in basis], dim=1)  # (points, C, D)
        gram = J @ J.mT
        squares = gram.diagonal(dim1=1, dim2=2)
        alignment = (J @ part.flatten(1)[:, :, None])[:, :, 0] / (squares.sqrt() * part.flatten(1).norm(dim=1)[:, None])
        total = squares.sum(1)
        largest = torch.linalg.eigvalsh(gram)[:, -1] if gram.isfinite().all() else torch.full_like(total, torch.nan)
        chunks.append(JacobianFacts(total.sqrt(), alignment.amin(1), alignment.amax(1), largest / total))
    return JacobianFacts(*map(torch.cat, zip(*chunks, strict=True)))


def centroids(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """J'1, the sum of the Jacobian's rows, at each point: of x's shape (Walker et al., Theorem 4)."""
    parts = []
    for part in x.split(_CHUNK):
        outputs, vjp, *_ = torch.func.vjp(f, part)
        parts.append(vjp(torch.ones_like(outputs))[0])
    return torch.cat(parts)


def _extremes(name: str, values: Tensor) -> dict[str, Tensor]:
    return {f"{name}_mean": values.mean(), f"{name}_min": values.min(), f"{name}_max": values.max()}
