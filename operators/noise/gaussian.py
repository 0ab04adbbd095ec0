"""Additive white Gaussian noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import pydantic.dataclasses
import torch
from pydantic import Field
from torch import Tensor

from operators.noise.base import SeparableNoise, std_left
from operators.parts import PART_CONFIG, NoisePart
from operators.shapes import Shape


@dataclass(frozen=True)
class GaussianNoise(SeparableNoise):
    """y = a + std e, e ~ N(0, I); ``std`` in the measurement's units ([-1, 1] scale for images)."""

    std: float

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(clean.shape, generator=generator, dtype=clean.dtype)
        return clean + self.std * noise.to(clean.device)

    def log_prob_entries(self, y: Tensor, clean: Tensor) -> Tensor:
        return -0.5 * ((y - clean) / self.std).square() - self._log_normaliser

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        return -0.5 * self.deviance(y, clean) - clean[0].numel() * self._log_normaliser

    def log_prob_and_gradient(self, y: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        return self.log_prob(y, clean), (y - clean) / self.std**2

    def smoothed_log_prob_entries(self, y: Tensor, clean: Tensor, std: float) -> Tensor:
        return GaussianNoise(math.hypot(self.std, std)).log_prob_entries(y, clean)

    @property
    def divides(self) -> bool:
        return True

    def without(self, std: float) -> Self:
        return replace(self, std=std_left(self.std, std))

    def deviance(self, y: Tensor, clean: Tensor) -> Tensor:
        return (y - clean).square().flatten(1).sum(1) / self.std**2

    def misfit(self, y: Tensor, clean: Tensor) -> Tensor:
        return (self.deviance(y, clean) / clean[0].numel()).sqrt()

    @property
    def scale(self) -> float:
        return self.std

    @property
    def _log_normaliser(self) -> float:
        return math.log(self.std) + 0.5 * math.log(2 * math.pi)


@pydantic.dataclasses.dataclass(frozen=True, config=PART_CONFIG)
class Gaussian(NoisePart):
    """Additive white Gaussian noise."""

    kind: Literal["gaussian"] = "gaussian"
    std: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False, description="standard deviation, in [-1, 1] scale")] = 0.1

    def build(self, shape: Shape) -> GaussianNoise:
        return GaussianNoise(self.std)
