"""DDS-DDPM: the prior's reverse SDE, started at the noisy image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from dpnp.priors.base import Prior
from dpnp.rng import SampleStreams

SPACING = 2.0  # exponent of the noise levels: smaller steps near zero, where the posterior's detail is decided


def ancestral_levels(eta: float, steps: int) -> list[float]:
    """``steps + 1`` noise levels eta = s_0 > ... > s_steps = 0."""
    return [eta * (1 - k / steps) ** SPACING for k in range(steps + 1)]


@dataclass(frozen=True)
class AncestralSDE:
    """X at level eta given X_0 is exactly ``x_half``'s model, so the reverse SDE run from x_half at s = eta ends in the posterior.

    Each step s -> t draws from the Gaussian q(X_t | X_s, X_0) with D(X_s, s) in place of X_0: the original DDPM coefficients
    (Ho et al. 2020, eq. 6-7), written for the variance-exploding process,
    ``X_t = D + (t/s)² (X_s - D) + t sqrt(1 - (t/s)²) e``. One denoiser call per step.
    """

    steps: int

    @property
    def calls(self) -> int:
        """Denoiser calls per draw."""
        return self.steps

    def draw(self, prior: Prior, x_half: Tensor, eta: float, streams: SampleStreams) -> Tensor:
        """One draw of the denoising posterior per image of ``x_half`` (B, C, H, W)."""
        levels = ancestral_levels(eta, self.steps)
        x = x_half
        for s, t in pairwise(levels):
            clean = prior.denoise(x, torch.full((len(x),), s, device=x.device, dtype=x.dtype))
            if t == 0:
                return clean
            x = clean + (t / s) ** 2 * (x - clean) + t * math.sqrt(1 - (t / s) ** 2) * streams.normal(tuple(x.shape[1:]))
        return x
