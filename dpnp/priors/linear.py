"""The best linear denoiser of the data's Gaussian model: what a network prior starts from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dpnp.priors.base import ImageShape

MAX_IMAGES = 20_000  # images that a fit looks at


class LinearDenoiser(nn.Module):
    """E[x0 | x] if images were N(mean, B^T diag(variances) B + residual (I - B^T B)): Wiener's filter at every noise level.

    ``mean`` (C, H, W), ``basis`` B (r, C H W) with orthonormal rows, ``variances`` (r,), ``residual`` a scalar, all in [-1, 1] scale.
    With r = 0 and mean 0 it is EDM's scalar ``c_skip x`` for data of variance ``residual``.
    """

    def __init__(self, mean: Tensor, basis: Tensor, variances: Tensor, residual: Tensor) -> None:
        super().__init__()
        for name, value in (("mean", mean), ("basis", basis), ("variances", variances), ("residual", residual)):
            self.register_buffer(name, value.float().contiguous())
        self.mean: Tensor
        self.basis: Tensor
        self.variances: Tensor
        self.residual: Tensor

    @classmethod
    def isotropic(cls, image_shape: ImageShape, sigma_data: float) -> LinearDenoiser:
        """EDM's own skip connection: zero mean, the same variance in every direction."""
        d = torch.Size(image_shape).numel()
        return cls(torch.zeros(image_shape), torch.zeros(0, d), torch.zeros(0), torch.tensor(sigma_data**2))

    @classmethod
    def fit(cls, images: Tensor, rank: int) -> LinearDenoiser:
        """The leading ``rank`` principal components of ``images`` (N, C, H, W), and the mean variance of what they leave."""
        flat = images[:MAX_IMAGES].flatten(1)
        mean = flat.mean(0)
        _, s, v = torch.pca_lowrank(flat - mean, q=rank, center=False, niter=4)
        variances = s.square() / len(flat)
        total = (flat - mean).square().sum(1).mean()
        residual = (total - variances.sum()).clamp_min(1e-6 * total) / max(1, flat.shape[1] - rank)
        return cls(mean.reshape(images.shape[1:]), v.T, variances, residual)

    @property
    def rank(self) -> int:
        """Components kept."""
        return len(self.variances)

    @property
    def variance(self) -> Tensor:
        """Mean variance per pixel."""
        d = self.mean.numel()
        return (self.variances.sum() + (d - self.rank) * self.residual) / d

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The linear estimate of x0 from ``x`` (B, C, H, W) at noise levels ``sigma`` (B,)."""
        noise = sigma.square()[:, None]
        rest = self.residual / (self.residual + noise)
        centred = (x - self.mean).flatten(1)
        estimate = rest * centred
        if self.rank:
            gain = self.variances / (self.variances + noise) - rest
            estimate = estimate + (gain * (centred @ self.basis.T)) @ self.basis
        return self.mean + estimate.reshape(x.shape)

    def error(self, sigma: Tensor) -> Tensor:
        """Root mean square error per pixel of the linear estimate under the Gaussian model, (B,)."""
        noise = sigma.square()[:, None]
        kept = (self.variances * noise / (self.variances + noise)).sum(1)
        rest = self.residual * noise[:, 0] / (self.residual + noise[:, 0])
        d = self.mean.numel()
        return ((kept + (d - self.rank) * rest) / d).sqrt()
