"""What the probes measure: metric -> value, on the parameters as they stand, without changing anything."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from trainables.data.load import Data
from trainables.losses.build import Loss
from trainables.probes.config import AccuracyConfig, CentroidConfig, JacobianNormConfig, LossProbeConfig, ProbeConfig

_CHUNK = 1024
"""Points a Jacobian is taken at in one go: bounds the memory, whatever the size of the data."""


def measure(probes: tuple[ProbeConfig, ...], f: Callable[[Tensor], Tensor], data: Data, loss: Loss) -> dict[str, float]:
    """Takes the measurements of `probes` on the function `f`: inputs (points, …) -> outputs (points, C)."""

    @cache
    def outputs(on: str) -> Tensor:
        with torch.no_grad():
            return f(_inputs(data, on))

    values: dict[str, Tensor] = {}
    for probe in probes:
        y = data.y_train if probe.on == "train" else data.y_test
        match probe:
            case AccuracyConfig():
                values[f"{probe.on}_accuracy"] = (outputs(probe.on).argmax(1) == y).double().mean()
            case LossProbeConfig():
                values[f"{probe.on}_loss"] = loss(outputs(probe.on), y)
            case JacobianNormConfig():
                x = _inputs(data, probe.on)[: probe.num_points]
                values |= _extremes(f"{probe.on}_jacobian_norm", jacobian_norms(f, x))
            case CentroidConfig():
                x = _inputs(data, probe.on)[: probe.num_points]
                mu, x = centroids(f, x).flatten(1), x.flatten(1)
                inner = (mu * x).sum(1)
                norm = mu.norm(dim=1)
                values |= _extremes(f"{probe.on}_centroid_alignment", inner / (norm * x.norm(dim=1)))
                values |= _extremes(f"{probe.on}_centroid_norm", norm)
                values |= _extremes(f"{probe.on}_centroid_inner_product", inner)
    return {name: float(value) for name, value in values.items()}


def jacobian_norms(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The exact Frobenius norm of f's Jacobian at each point: (points,). x: (points, …)."""
    norms = []
    for part in x.split(_CHUNK):
        outputs, vjp, *_ = torch.func.vjp(f, part)
        squared = torch.zeros(len(part), dtype=x.dtype, device=x.device)
        for row in torch.eye(outputs.shape[1], dtype=x.dtype, device=x.device):
            squared += vjp(row.expand_as(outputs))[0].flatten(1).square().sum(1)
        norms.append(squared.sqrt())
    return torch.cat(norms)


def centroids(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """J'1, the sum of the Jacobian's rows, at each point: of x's shape (Walker et al., Theorem 4)."""
    parts = []
    for part in x.split(_CHUNK):
        outputs, vjp, *_ = torch.func.vjp(f, part)
        parts.append(vjp(torch.ones_like(outputs))[0])
    return torch.cat(parts)


def _inputs(data: Data, on: str) -> Tensor:
    return data.x_train if on == "train" else data.x_test


def _extremes(name: str, values: Tensor) -> dict[str, Tensor]:
    return {f"{name}_mean": values.mean(), f"{name}_min": values.min(), f"{name}_max": values.max()}
