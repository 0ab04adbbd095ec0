"""log q_eta, q_eta = e^L * N(0, eta² I): the likelihood smoothed by eta, which weights a population of chains.

With ``split`` L is the likelihood of the noise that eta leaves (docs/mathematics.md): q_eta is then e^L itself up to the eta at which
nothing is left. Estimates are not split: in the little noise that is left, a few draws of e say nothing of their mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dpnp.rng import SampleStreams
from operators import ForwardModel
from operators.maps import LinearMap, ThinSVD, without_offset
from operators.noise import GaussianNoise, SeparableNoise, variance_left


class SmoothedLikelihood(Protocol):
    """q_eta at images; two values of eta are asked for together because their ratio is what counts."""

    def log_ratio(self, x: Tensor, eta: float, eta_next: float, streams: SampleStreams) -> Tensor:
        """log q_{eta_next}(x) - log q_eta(x), (B,); ``eta_next`` 0 is the likelihood itself."""
        ...


@dataclass(frozen=True)
class GaussianSmoothed:
    """Closed form for a linear map with Gaussian noise: q_eta(x) = N(y; A x, std² I + eta² A A^T), through the thin SVD."""

    svd: ThinSVD
    y: Tensor
    std: float
    split: bool = False

    def log_density(self, x: Tensor, eta: float) -> Tensor:
        """log q_eta(x), (B,), with its normalising constant."""
        s = self.svd.singular_values.like(x)
        inside = self.svd.project_measurement(self.y[None])
        smoothing = (eta * s).square()
        variance = variance_left(self.std**2, smoothing if self.split else torch.zeros_like(s)) + smoothing
        misfit = ((inside - s * self.svd.project(x)).abs().square() / variance).flatten(1).sum(1)
        outside = (self.y.square().sum() - inside.abs().square().sum()).clamp_min(0) / self.std**2
        log_det = variance.log().sum() + (self.y.numel() - s.numel()) * math.log(self.std**2)
        return -0.5 * (misfit + outside + log_det + self.y.numel() * math.log(2 * math.pi))

    def log_ratio(self, x: Tensor, eta: float, eta_next: float, streams: SampleStreams) -> Tensor:
        """Exact; draws nothing."""
        return self.log_density(x, eta_next) - self.log_density(x, eta)


@dataclass(frozen=True)
class SeparableSmoothed:
    """One-dimensional integrals for noise that is independent per entry behind a map with A A^T = c I.

    A (x + eta e) has independent entries around A x with standard deviation eta sqrt(c).
    """

    map: LinearMap
    noise: SeparableNoise
    y: Tensor
    row_gram: float
    split: bool = False

    def log_density(self, x: Tensor, eta: float) -> Tensor:
        """log q_eta(x), (B,)."""
        y, clean = self.y[None], self.map(x)
        if eta == 0:
            return self.noise.log_prob(y, clean)
        std = eta * math.sqrt(self.row_gram)
        noise = self.noise.without(std) if self.split else self.noise
        return noise.smoothed_log_prob_entries(y, clean, std).flatten(1).sum(1)

    def log_ratio(self, x: Tensor, eta: float, eta_next: float, streams: SampleStreams) -> Tensor:
        """Exact to the quadrature; draws nothing."""
        return self.log_density(x, eta_next) - self.log_density(x, eta)


@dataclass(frozen=True)
class MonteCarloSmoothed:
    """q_eta(x) = E exp L(x + eta e) by ``draws`` antithetic pairs of e, the same for both values of eta.

    An unbiased estimate of each q_eta, so that the population's law is right as it grows (pseudo-marginal weights); the variance of its
    logarithm falls as 1/draws and rises with the dimension.
    """

    model: ForwardModel
    y: Tensor
    draws: int

    def log_ratio(self, x: Tensor, eta: float, eta_next: float, streams: SampleStreams) -> Tensor:
        """Estimated with common random numbers."""
        before, after = [], []
        for _ in range(self.draws):
            e = streams.normal(tuple(x.shape[1:]))
            for sign in (-1, 1):
                before.append(self.model.log_likelihood(x + sign * eta * e, self.y))
                after.append(self.model.log_likelihood(x + sign * eta_next * e, self.y))
        return torch.logsumexp(torch.stack(after), 0) - torch.logsumexp(torch.stack(before), 0)


def smoothed_likelihood(model: ForwardModel, y: Tensor, draws: int, split: bool = False) -> SmoothedLikelihood:
    """The closed form or quadrature where the structure allows it, else Monte Carlo with ``draws`` pairs, which is never split."""
    linear = model.map.linear_part()
    if linear is not None and isinstance(model.noise, GaussianNoise):
        svd = linear.svd()
        if svd is not None:
            return GaussianSmoothed(svd, without_offset(model.map, y), model.noise.std, split)
    if isinstance(model.map, LinearMap) and model.map.row_gram is not None and isinstance(model.noise, SeparableNoise):
        return SeparableSmoothed(model.map, model.noise, y, model.map.row_gram, split)
    return MonteCarloSmoothed(model, y, draws)
