"""Additive white Gaussian noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from operators.noise.base import NoiseModel


@dataclass(frozen=True)
class GaussianNoise(NoiseModel):
    """y = a + std e, e ~ N(0, I); ``std`` in the measurement's units ([-1, 1] scale for images)."""

    std: float

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(clean.shape, generator=generator, dtype=clean.dtype)
        return clean + self.std * noise.to(clean.device)

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        squares = ((y - clean) / self.std).square().flatten(1).sum(1)
        return -0.5 * squares - clean[0].numel() * (math.log(self.std) + 0.5 * math.log(2 * math.pi))

    def misfit(self, y: Tensor, clean: Tensor) -> Tensor:
        return ((y - clean) / self.std).square().flatten(1).mean(1).sqrt()

    @property
    def scale(self) -> float:
        return self.std
