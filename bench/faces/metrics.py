"""How good samples (n, C, H, W) of a posterior are against the true image (C, H, W), all in [-1, 1] scale."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d

RANGE = 2.0
WINDOW, WIDTH = 11, 1.5
K1, K2 = 0.01, 0.03


def psnr(x: Tensor, truth: Tensor) -> float:
    """Peak signal to noise ratio of one image in dB, for values from -1 to 1."""
    return 10 * math.log10(RANGE**2 / (x - truth).square().mean().item())


def ssim(samples: Tensor, truth: Tensor) -> float:
    """Structural similarity (Wang et al. 2004), mean over samples: Gaussian window of 11 x 11 pixels, width 1.5, inside the image."""
    x = samples.reshape(-1, 1, *samples.shape[-2:]).double()
    y = truth.expand_as(samples).reshape_as(x).double()
    mx, my = _windowed(x), _windowed(y)
    vx, vy, cross = _windowed(x * x) - mx * mx, _windowed(y * y) - my * my, _windowed(x * y) - mx * my
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    return ((2 * mx * my + c1) * (2 * cross + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean().item()


def _windowed(x: Tensor) -> Tensor:
    offsets = torch.arange(WINDOW, dtype=x.dtype) - WINDOW // 2
    weights = torch.exp(-(offsets**2) / (2 * WIDTH**2))
    weights = weights / weights.sum()
    return conv2d(conv2d(x, weights.reshape(1, 1, -1, 1)), weights.reshape(1, 1, 1, -1))


def crps(samples: Tensor, truth: Tensor) -> float:
    """Continuous ranked probability score per pixel, E|X - truth| - E|X - X'| / 2, unbiased in the number of samples; mean over pixels."""
    n = len(samples)
    ranks = torch.arange(1, n + 1, dtype=samples.dtype).reshape(-1, 1, 1, 1)
    spread = ((2 * ranks - n - 1) * samples.sort(0).values).sum(0) * 2 / (n * (n - 1)) if n > 1 else torch.zeros_like(truth)
    return ((samples - truth).abs().mean(0) - spread / 2).mean().item()
