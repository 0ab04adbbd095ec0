"""DDS-DDIM: the denoising posterior's probability-flow ODE on a quarter circle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from dpnp.priors.base import Prior
from dpnp.rng import SampleStreams

KNEE = 0.25  # noise level, in [-1, 1] scale, at which the grid turns from uniform in u to uniform in log u


def angles(eta: float, steps: int) -> list[float]:
    """``steps + 1`` angles pi/2 = u_0 > ... > u_steps = 0, uniform in arcsinh(eta u / KNEE).

    Up to eta = KNEE that is nearly uniform in u; at a large eta it spends as many steps on every octave of the noise level eta sin u,
    where a uniform grid would jump from several times the data's standard deviation to zero in one step.
    """
    scale = eta / KNEE
    top = math.asinh(scale * math.pi / 2)
    return [math.sinh(top * (1 - k / steps)) / scale for k in range(steps + 1)]


def noise_direction(prior: Prior, m: Tensor, sigma: float) -> Tensor:
    """e_hat(m, s) = (m - D(m, s)) / s, the expected noise in ``m`` (B, C, H, W) at level ``sigma``."""
    return (m - prior.denoise(m, torch.full((len(m),), sigma, device=m.device, dtype=m.dtype))) / sigma


@dataclass(frozen=True)
class QuarterCircle:
    """Solves dz/du = eta e_hat(x_half + cos(u) z, eta sin(u)) from z(pi/2) ~ N(0, eta² I) down to u = 0; the draw is x_half + z(0).

    Noise the target q(x) ∝ p(x) N(x_half; x, eta² I) by s = eta tan u: the observation of x at level eta and that at level s
    combine into one at level eta sin u, which turns q's probability-flow ODE into this one, exactly (docs/mathematics.md).
    ``steps`` steps on the grid of :func:`angles` cost one denoiser call each. ``method`` "euler" is first order, "ab2" (two-step
    Adams-Bashforth, which reuses the previous direction) second order at the same cost.
    """

    steps: int
    method: Literal["euler", "ab2"] = "ab2"

    @property
    def calls(self) -> int:
        """Denoiser calls per draw."""
        return self.steps

    def draw(self, prior: Prior, x_half: Tensor, eta: float, streams: SampleStreams) -> Tensor:
        """One draw of the denoising posterior per image of ``x_half`` (B, C, H, W)."""
        return x_half + self.solve(prior, x_half, eta, eta * streams.normal(tuple(x_half.shape[1:])))

    def solve(self, prior: Prior, x_half: Tensor, eta: float, z: Tensor) -> Tensor:
        """z(0) from z(pi/2) = ``z``: deterministic, so that its order of convergence can be measured."""
        grid = angles(eta, self.steps)
        previous: tuple[Tensor, float] | None = None
        for u, after in pairwise(grid):
            h = u - after
            slope = noise_direction(prior, x_half + math.cos(u) * z, eta * math.sin(u))
            if previous is None or self.method == "euler":
                z = z - (h * eta) * slope
            else:
                ratio = h / (2 * previous[1])
                z = z - (h * eta) * ((1 + ratio) * slope - ratio * previous[0])
            previous = slope, h
        return z
