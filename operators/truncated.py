"""Draws of truncated normal variables by the inverse CDF, in log space."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.special import log_ndtr

from operators.noise.dither import FAR, left_tail

LOG_PHI_TAIL = -15.06  # log Phi(-5): below, the inverse is by Newton steps on log Phi
NEWTON_STEPS = 4


def truncated_normal(mean: Tensor, std: float | Tensor, low: Tensor, high: Tensor, u: Tensor) -> Tensor:
    """N(mean, std²) restricted to [low, high], from uniform numbers ``u`` in [0, 1); the ends may be infinite.

    Works on the side of the mean where the interval lies, so that log Phi keeps its precision however far out that is.
    """
    a, b = ((low - mean) / std).clamp(-FAR, FAR), ((high - mean) / std).clamp(-FAR, FAR)
    right = a + b > 0
    a, b = left_tail(a, b)
    log_a, log_b = log_ndtr(a), log_ndtr(b)
    least = torch.finfo(u.dtype).eps / 2  # the grid that uniform numbers lie on; its 0 would be an infinite draw
    u = u.clamp(least, 1 - least)
    log_p = torch.logaddexp(log_a + torch.log1p(-u), log_b + u.log())  # of (1 - u) Phi(a) + u Phi(b)
    z = torch.minimum(torch.maximum(inverse_log_ndtr(log_p), a), b)
    return mean + std * torch.where(right, -z, z)


def inverse_log_ndtr(log_p: Tensor) -> Tensor:
    """z with log Phi(z) = ``log_p`` < 0.

    ndtri where Phi is a number; below, the tail's leading terms and Newton steps on the concave log Phi, whose slope is
    phi(z) / Phi(z).
    """
    near = torch.special.ndtri(log_p.exp())
    far_log = log_p.clamp_max(LOG_PHI_TAIL)
    z = -(-2 * far_log - (-4 * math.pi * far_log).log()).sqrt()
    for _ in range(NEWTON_STEPS):
        value = log_ndtr(z)
        slope = (-0.5 * z.square() - 0.5 * math.log(2 * math.pi) - value).exp()
        z = z - (value - far_log) / slope
    return torch.where(log_p < LOG_PHI_TAIL, z, near)
