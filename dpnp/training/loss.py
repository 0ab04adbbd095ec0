"""The EDM denoising loss and the denoising PSNR that the project reports."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dpnp.priors.base import Prior
from dpnp.priors.edm import EDMDenoiser

VALIDATION_SIGMAS = (0.2, 0.5, 1.0, 2.0)


def training_sigmas(n: int, mean: float, std: float, generator: torch.Generator) -> Tensor:
    """``n`` log-normal noise levels, one in each n-th of the distribution: less gradient noise than independent draws."""
    u = (torch.arange(n) + torch.rand(n, generator=generator)) / n
    return torch.exp(mean + std * torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6)))


def edm_loss(denoiser: EDMDenoiser, clean: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """Mean of |D(x + s e, s) - x|² / c_out(s)² over the batch: the network's own error (Karras et al. 2022, eq. 8)."""
    squares = (denoiser(clean + sigma.reshape(-1, 1, 1, 1) * noise, sigma) - clean).square().flatten(1).mean(1)
    return (squares / denoiser.linear.error(sigma).square()).mean()


@torch.no_grad()
def denoising_psnr(prior: Prior, clean: Tensor, sigma: float, *, seed: int = 0, batch_size: int = 50) -> float:
    """PSNR in dB (peak to peak 2) of D(x + sigma e, sigma) over ``clean`` (N, C, H, W), from the pooled squared error."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(clean.shape, generator=generator)
    total = 0.0
    for pair in zip(clean.split(batch_size), noise.split(batch_size), strict=True):
        x, e = (part.to(prior.device, prior.dtype) for part in pair)
        levels = torch.full((len(x),), sigma, device=x.device, dtype=x.dtype)
        total += (prior.denoise(x + sigma * e, levels) - x).square().sum().item()
    return 10 * math.log10(4 * clean.numel() / total)
