"""Unconditional samples of a prior in training, as one picture."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from dpnp.priors.network import NetworkPrior

STEPS = 24
LOWEST_SIGMA = 0.02
SEED = 0  # the same noise at every check: the pictures show the network's progress alone


@torch.no_grad()
def unconditional_samples(prior: NetworkPrior, n: int) -> Tensor:
    """``n`` samples (n, C, H, W) by the probability-flow ODE from the highest trained noise level.

    DDIM with geometric steps, ``x <- D + (s_next / s) (x - D)``, which is exact where D is constant.
    """
    high = prior.sigma_range[1]
    sigmas = torch.logspace(math.log10(high), math.log10(LOWEST_SIGMA), STEPS).tolist()
    x = high * torch.randn(n, *prior.image_shape, generator=torch.Generator().manual_seed(SEED)).to(prior.device)
    for sigma, following in zip(sigmas, [*sigmas[1:], 0.0], strict=True):
        denoised = prior.denoise(x, torch.full((n,), sigma, device=x.device))
        x = denoised + following / sigma * (x - denoised)
    return x


def save_grid(images: Tensor, path: Path) -> None:
    """Write ``images`` (N, C, H, W) in [-1, 1] side by side, in rows of about the square root of N."""
    n, c, h, w = images.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    grid = images.new_full((rows * columns, c, h, w), -1.0)
    grid[:n] = images
    whole = grid.reshape(rows, columns, c, h, w).permute(0, 3, 1, 4, 2).reshape(rows * h, columns * w, c)
    pixels = ((whole.clamp(-1, 1) + 1) * 127.5).round().to("cpu", torch.uint8).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if c == 1 else pixels).save(path)
