"""The two laws of dither, standard logistic and standard normal, in log space: tails keep their precision."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.special import log_ndtr

Dither = Literal["logistic", "gaussian"]

DITHER_STD: dict[Dither, float] = {"logistic": math.pi / math.sqrt(3), "gaussian": 1.0}
NORMAL_STD: dict[Dither, float] = {"logistic": math.sqrt(2.5), "gaussian": 1.0}
"""The normal that is nearest to the dither where images are: a logistic's own tails, beyond three units, are longer."""

FAR = 1e6  # stands for infinity in units of the dither, so that gradients stay numbers


def draw(shape: torch.Size, dither: Dither, generator: torch.Generator) -> Tensor:
    """Float64 draws of the dither."""
    if dither == "gaussian":
        return torch.randn(shape, generator=generator, dtype=torch.float64)
    tiny = torch.finfo(torch.float64).tiny
    return torch.logit(torch.rand(shape, generator=generator, dtype=torch.float64).clamp_min(tiny))


def log_interval(low: Tensor, high: Tensor, dither: Dither) -> Tensor:
    """log P(low < w < high); the ends may be infinite."""
    low, high = low.clamp(-FAR, FAR), high.clamp(-FAR, FAR)
    if dither == "logistic":  # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b))
        return logsigmoid(high) + logsigmoid(-low) + log1mexp(low - high)
    a, b = left_tail(low, high)
    log_a, log_b = log_ndtr(a), log_ndtr(b)
    return log_b + log1mexp(log_a - log_b)


def left_tail(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The interval, or its mirror image if that lies further left, where log Phi of the two ends differ most."""
    return torch.minimum(low, -high), torch.minimum(high, -low)


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) for x < 0 (Maechler 2012)."""
    x = x.clamp_max(-torch.finfo(x.dtype).tiny)
    near, far = (-torch.expm1(x)).log(), torch.log1p(-x.clamp_max(-0.5).exp())
    return torch.lerp(far, near, (x > -math.log(2)).to(x.dtype))
