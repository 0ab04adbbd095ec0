"""One-bit quantisation: only the sign of the dithered signal is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from operators.errors import MeasurementError
from operators.noise.base import SeparableNoise

LOGISTIC_STD = math.pi / math.sqrt(3)  # standard deviation of a standard logistic variable
LOGISTIC_NODES = 512

Dither = Literal["logistic", "gaussian"]


@dataclass(frozen=True)
class OneBit(SeparableNoise):
    """y = sign(a + tau w), one of -1 and +1, w standard logistic or standard normal.

    P(y = +1) = sigmoid(a / tau) (Xu & Chi 2024) or Phi(a / tau); ``tau`` in the signal's units ([-1, 1] scale for images).
    """

    tau: float
    dither: Dither = "logistic"

    def check(self, y: Tensor) -> None:
        bad = int((y.abs() != 1).sum())
        if bad:
            raise MeasurementError(f"expected one-bit values -1 or +1 in the measurement, got {bad} of {y.numel()} others")

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        u = torch.rand(clean.shape, generator=generator, dtype=torch.float64).to(clean.device, clean.dtype)
        ones = torch.ones_like(clean)
        return torch.where(u < self.log_prob_entries(ones, clean).exp(), ones, -ones)

    def log_prob_entries(self, y: Tensor, clean: Tensor) -> Tensor:
        margin = y * clean / self.tau
        return torch.nn.functional.logsigmoid(margin) if self.dither == "logistic" else torch.special.log_ndtr(margin)

    def smoothed_log_prob_entries(self, y: Tensor, clean: Tensor, std: float) -> Tensor:
        """Closed form for Gaussian dither; for logistic dither a quadrature over the smoother of the two variables."""
        if self.dither == "gaussian":
            return OneBit(math.hypot(self.tau, std), "gaussian").log_prob_entries(y, clean)
        if std <= self.tau:
            return super().smoothed_log_prob_entries(y, clean, std)
        # P(clean + std t + tau w > 0) = E_w Phi((clean + tau w) / std), w at the midpoints of its quantiles
        u = (torch.arange(LOGISTIC_NODES, dtype=torch.float64) + 0.5) / LOGISTIC_NODES
        terms = [torch.special.log_ndtr((y * clean + self.tau * w) / std) for w in torch.logit(u).tolist()]
        return torch.logsumexp(torch.stack(terms), dim=0) - math.log(LOGISTIC_NODES)

    def deviance(self, y: Tensor, clean: Tensor) -> Tensor:
        return -2 * self.log_prob(y, clean)

    def misfit(self, y: Tensor, clean: Tensor) -> Tensor:
        # (b - p)² / (p (1 - p)) for the bit b with P(b = 1) = p is P(-y) / P(y)
        odds = (self.log_prob_entries(-y, clean) - self.log_prob_entries(y, clean)).exp()
        return odds.flatten(1).mean(1).sqrt()

    @property
    def scale(self) -> float:
        return self.tau * (LOGISTIC_STD if self.dither == "logistic" else 1.0)
