"""How nearly normal networks are at initialisation."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.configuration import PositiveFloat, PositiveInt
from trainables.procedures._infinite_width import InfiniteWidth
from trainables.procedures.base import State, Yielded

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from trainables.data.load import Data
    from trainables.datasets.base import Dataset

_METRICS = (
    "covariance_error",
    "covariance_error_by_chance",
    "kurtosis_excess",
    "kurtosis_excess_size",
    "normality_statistic",
    "normality_p_value",
    "normality_power",
)
_SETS, _LEVEL = 400, 0.05


class JntkGp(InfiniteWidth):
    """Outputs and input derivatives at the first `num_points` training points, of `num_networks` networks of `width` at
    initialisation, against the Gaussian process of infinite width (arXiv:2312.03386, Theorem 3). They are p numbers u a
    network, whose covariance C in the limit is known; one evaluation.

    covariance_error            |C' - C| / |C|, Frobenius, of the second moments C' of the sample
    covariance_error_by_chance  its root mean square in samples of so many from the limit itself
    kurtosis_excess             the mean of (u' C^-1 u)^2 over p (p + 2), minus 1: 0 in the limit (Mardia 1970)
    kurtosis_excess_size        its absolute value
    normality_statistic         Kolmogorov and Smirnov's, of u' C^-1 u against chi-squared with p degrees of freedom
    normality_p_value           of that test
    normality_power             how often it rejects at 5%, with as many networks, a multivariate t distribution of the
                                same covariance whose kurtosis_excess is `detectable`; simulated, standard error 2.5%
    """

    name: Literal["jntk_gp"] = "jntk_gp"
    width: PositiveInt = 256
    num_networks: Annotated[PositiveInt, Field(ge=100, le=1_000_000)] = 4000
    num_points: Annotated[PositiveInt, Field(le=100)] = 3
    detectable: PositiveFloat = 0.1

    @property
    def draws(self) -> bool:
        return True

    def next_step(self, steps: int) -> float:
        return 1 if steps < 1 else float("inf")

    def metrics(self, data: Dataset | None) -> tuple[str, ...]:
        return _METRICS

    def run(self, *, seed: int, state: State | None, device: torch.device, data: Data | None) -> Generator[Yielded]:
        import torch
        from scipy import stats

        from trainables.infinite_width.dual import scaled
        from trainables.infinite_width.initial import draw_networks
        from trainables.infinite_width.operator import Operator
        from trainables.infinite_width.singular import refuse_singular
        from trainables.infinite_width.spectrum import extreme_eigenvalues
        from trainables.randomness import Stream, generator

        if state is not None:
            return
        assert data is not None
        x = data.x_train[: self.num_points].flatten(1).cpu()
        nngp = self.architecture.nngp
        refuse_singular(nngp, x)
        # Points that are singular together are refused here.
        extreme_eigenvalues(nngp, x)
        C = Operator.of(nngp, x).matrix()
        u = draw_networks(
            x,
            scaled(self.activation),
            width=self.width,
            hidden_layers=self.hidden_layers,
            kappa=self.kappa,
            num=self.num_networks,
            generator=generator(seed, Stream.INIT),
        ).flatten(1)
        p, num = u.shape[1], len(u)
        by_chance = ((C.trace().square() + C.square().sum()) / num).sqrt() / C.norm()
        squares = (u * torch.linalg.solve(C, u.T).T).sum(1).numpy()
        excess = float((squares**2).mean() / (p * (p + 2)) - 1)
        test = stats.kstest(squares, stats.chi2(p).cdf)
        values = (
            float((u.T @ u / num - C).norm() / C.norm()),
            float(by_chance),
            excess,
            abs(excess),
            float(test.statistic),
            float(test.pvalue),
            power(p, num, self.detectable, seed),
        )
        yield Yielded(1, dict(zip(_METRICS, values, strict=True)), {})


def power(p: int, num: int, excess: float, seed: int) -> float:
    """How often the test rejects a multivariate t distribution of that excess of kurtosis. u' C^-1 u of one is chi2_p /
    (chi2_nu / (nu - 2)), and its excess of kurtosis 2 / (nu - 4).
    """
    import numpy as np
    from scipy import stats

    from trainables.randomness import Stream, seed_of

    nu, rng = 4 + 2 / excess, np.random.default_rng(seed_of(seed, Stream.PROBES))
    critical = stats.kstwo(num).isf(_LEVEL)
    rejected = 0
    for _ in range(_SETS):
        squares: NDArray[np.float64] = rng.chisquare(p, num) * (nu - 2) / rng.chisquare(nu, num)
        rejected += bool(_distance(squares, stats.chi2(p)) > critical)
    return rejected / _SETS


def _distance(sample: NDArray[np.float64], limit: object) -> float:
    """Kolmogorov and Smirnov's statistic."""
    from scipy import stats

    return float(stats.kstest(sample, limit.cdf, method="asymp").statistic)  # type: ignore[attr-defined]
