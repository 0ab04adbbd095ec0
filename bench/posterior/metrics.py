"""How far a set of samples is from the exact posterior."""

from __future__ import annotations

import torch
from torch import Tensor

DIRECTIONS = 256


def sliced_w2(a: Tensor, b: Tensor, seed: int = 0) -> float:
    """Sliced Wasserstein-2 distance of two equally large sample sets (n, d): the root mean square over random directions."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(a.shape[1], DIRECTIONS, generator=generator, dtype=a.dtype)
    directions = directions / directions.norm(dim=0)
    return ((a @ directions).sort(0).values - (b @ directions).sort(0).values).square().mean().sqrt().item()


def mean_error(samples: Tensor, exact: Tensor) -> float:
    """Root mean square error of the mean, in exact standard deviations."""
    return ((samples.mean(0) - exact.mean(0)) / exact.std(0)).square().mean().sqrt().item()


def covariance_error(samples: Tensor, exact: Tensor) -> float:
    """Relative Frobenius error of the covariance."""
    a, b = torch.cov(samples.T), torch.cov(exact.T)
    return ((a - b).norm() / b.norm()).item()


def ranks(samples: Tensor, truth: Tensor) -> Tensor:
    """Number of samples (n, d) below the truth (d,), per coordinate: uniform on 0..n when the samples' law is the posterior."""
    return (samples < truth).sum(0)


def coverage(all_ranks: Tensor, n: int, level: float) -> float:
    """Share of truths inside the central ``level`` interval of ``n`` samples, by their ranks; exact for uniform ranks."""
    u = (all_ranks.double() + torch.rand(all_ranks.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)) / (n + 1)
    return ((u > (1 - level) / 2) & (u < (1 + level) / 2)).double().mean().item()


def rank_distribution(all_ranks: Tensor, n: int, levels: Tensor) -> Tensor:
    """Share of ranks (simulations, d) of ``n`` samples below each level: (levels, d), the levels themselves for uniform ranks."""
    u = (all_ranks.double() + 0.5) / (n + 1)
    return (u[None] < levels[:, None, None]).double().mean(1)


def tarp_credibility(samples: Tensor, truth: Tensor, reference: Tensor) -> float:
    """Share of samples nearer to a random reference than the truth is (Lemos et al. 2023): uniform on [0, 1] over simulations."""
    return ((samples - reference).norm(dim=1) < (truth - reference).norm()).double().mean().item()


def tarp_coverage(credibilities: Tensor, levels: Tensor) -> Tensor:
    """Expected coverage at each credibility level, (levels,): the levels themselves where the samples' law is the posterior."""
    return (credibilities < levels[:, None]).double().mean(1)
