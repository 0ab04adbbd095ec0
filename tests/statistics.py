"""Tolerances from the Monte Carlo error: what a random test may demand."""

from __future__ import annotations

from torch import Tensor

MAX_Z = 4.5  # with a few hundred comparisons and a right sampler, passed with probability > 0.998


def mean_z(samples: Tensor, mean: Tensor) -> Tensor:
    """Deviation of the sample mean (n, d) from ``mean`` (d,) in standard errors."""
    return (samples.mean(0) - mean).abs() / (samples.std(0) / len(samples) ** 0.5)


def covariance_z(samples: Tensor, covariance: Tensor) -> Tensor:
    """Deviation of every entry of the sample covariance in standard errors, estimated from the samples' own products."""
    centred = samples - samples.mean(0)
    products = centred[:, :, None] * centred[:, None, :]
    return (products.mean(0) - covariance).abs() / (products.std(0) / len(samples) ** 0.5)


def assert_moments(samples: Tensor, mean: Tensor, covariance: Tensor, max_z: float = MAX_Z) -> None:
    """The first two moments of ``samples`` (n, ...) agree with ``mean`` (d,) and ``covariance`` (d, d)."""
    flat = samples.flatten(1).double()
    assert mean_z(flat, mean.double()).max() < max_z
    assert covariance_z(flat, covariance.double()).max() < max_z
