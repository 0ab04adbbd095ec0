"""Priors with a closed-form denoiser: the ground truth of the tests and benchmarks."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from dpnp.errors import PriorError
from dpnp.priors.base import ImageShape, check_denoiser_input


class GaussianMixture:
    """sum_k weights[k] N(means[k], covariances[k]) on flattened images of ``image_shape``.

    ``weights`` (K,), ``means`` (K, d), ``covariances`` (K, d, d) symmetric positive semi-definite, d = C H W. With r_k the posterior
    weight of component k at noise level s,
    ``D(x, s) = sum_k r_k(x) [m_k + C_k (C_k + s² I)^-1 (x - m_k)]``.
    Raises :class:`dpnp.PriorError` when the shapes or values do not describe a mixture.
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor, image_shape: ImageShape) -> None:
        weights, means, covariances = (torch.as_tensor(t) for t in (weights, means, covariances))
        k, d = len(weights), prod(image_shape)
        if tuple(means.shape) != (k, d) or tuple(covariances.shape) != (k, d, d):
            raise PriorError(
                f"expected means ({k}, {d}) and covariances ({k}, {d}, {d}) for {k} weights and images {tuple(image_shape)}, "
                f"got {tuple(means.shape)} and {tuple(covariances.shape)}"
            )
        if not ((weights >= 0).all() and weights.sum() > 0):
            raise PriorError(f"expected weights that are not negative, got {weights.tolist()}")
        eigenvalues, self._vectors = torch.linalg.eigh(covariances)
        if eigenvalues.min() < -1e-6 * eigenvalues.abs().max():
            raise PriorError(f"expected positive semi-definite covariances, got an eigenvalue of {eigenvalues.min().item():.3g}")
        self._eigenvalues = eigenvalues.clamp_min(0)
        self.weights, self.means, self.covariances = weights / weights.sum(), means, covariances
        self._image_shape = image_shape

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of one image."""
        return self._image_shape

    @property
    def device(self) -> torch.device:
        """The device of the means."""
        return self.means.device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the means."""
        return self.means.dtype

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x]; see :class:`dpnp.priors.base.Prior`."""
        check_denoiser_input(x, sigma, self._image_shape)
        coefficients = self._coefficients(x)
        variance = self._eigenvalues + sigma.square()[:, None, None]
        shrunk = coefficients * self._eigenvalues / variance
        components = self.means + torch.einsum("kij,bkj->bki", self._vectors, shrunk)
        weights = torch.softmax(self._log_joint(coefficients, variance), dim=1)
        return torch.einsum("bk,bkd->bd", weights, components).reshape(x.shape)

    def log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        """log of the density of x0 + sigma e at ``x``, (B,)."""
        check_denoiser_input(x, sigma, self._image_shape)
        return torch.logsumexp(self._log_joint(self._coefficients(x), self._eigenvalues + sigma.square()[:, None, None]), dim=1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` exact draws, (n, *image_shape)."""
        picks = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn((n, self.means.shape[1]), dtype=self.dtype, device=self.device, generator=generator)
        scaled = self._eigenvalues.sqrt()[picks] * noise
        return (self.means[picks] + torch.einsum("bij,bj->bi", self._vectors[picks], scaled)).reshape(n, *self._image_shape)

    def _coefficients(self, x: Tensor) -> Tensor:
        """x - m_k in the eigenbasis of C_k, (B, K, d)."""
        return torch.einsum("kji,bkj->bki", self._vectors, x.flatten(1)[:, None] - self.means)

    def _log_joint(self, coefficients: Tensor, variance: Tensor) -> Tensor:
        """log w_k + log N(x; m_k, C_k + s² I), (B, K)."""
        quadratic = (coefficients.square() / variance + torch.log(2 * torch.pi * variance)).sum(-1)
        return self.weights.log() - 0.5 * quadratic


class Gaussian(GaussianMixture):
    """N(mean, covariance) on flattened images: ``mean`` (d,), ``covariance`` (d, d), d = C H W."""

    def __init__(self, mean: Tensor, covariance: Tensor, image_shape: ImageShape) -> None:
        mean, covariance = torch.as_tensor(mean), torch.as_tensor(covariance)
        super().__init__(torch.ones(1, dtype=mean.dtype, device=mean.device), mean[None], covariance[None], image_shape)
