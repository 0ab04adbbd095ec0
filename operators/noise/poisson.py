"""Photon counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import pydantic.dataclasses
import torch
from pydantic import Field
from torch import Tensor

from operators.errors import MeasurementError
from operators.noise.base import SeparableNoise
from operators.parts import PART_CONFIG, NoisePart
from operators.shapes import Shape


@dataclass(frozen=True)
class PoissonNoise(SeparableNoise):
    """y ~ Poisson(rate(a)) with rate(a) = peak max((a + 1)/2, 0) + dark: black (-1) counts ``dark`` photons, white (+1) ``peak`` more."""

    peak: float
    dark: float

    def rate(self, clean: Tensor) -> Tensor:
        """Expected counts."""
        return self.peak * ((clean + 1) / 2).clamp_min(0) + self.dark

    def check(self, y: Tensor) -> None:
        bad = int(((y < 0) | (y != y.round())).sum())
        if bad:
            raise MeasurementError(f"expected photon counts, whole numbers from 0, in the measurement, got {bad} of {y.numel()} others")

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        return torch.poisson(self.rate(clean.double().cpu()), generator=generator).to(clean.device, clean.dtype)

    def log_prob_entries(self, y: Tensor, clean: Tensor) -> Tensor:
        rate = self.rate(clean)
        return torch.xlogy(y, rate) - rate - torch.lgamma(y + 1)

    def deviance(self, y: Tensor, clean: Tensor) -> Tensor:
        best = torch.xlogy(y, y) - y - torch.lgamma(y + 1)
        return 2 * (best.flatten(1).sum(1) - self.log_prob(y, clean))

    def misfit(self, y: Tensor, clean: Tensor) -> Tensor:
        rate = self.rate(clean)
        return ((y - rate).square() / rate).flatten(1).mean(1).sqrt()

    @property
    def scale(self) -> float:
        """At medium grey, in the image's scale."""
        return 2 * (self.peak / 2 + self.dark) ** 0.5 / self.peak


@pydantic.dataclasses.dataclass(frozen=True, config=PART_CONFIG)
class Poisson(NoisePart):
    """Photon counts, with ``peak`` expected photons at white."""

    kind: Literal["poisson"] = "poisson"
    peak: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False, description="expected photons at white")] = 30.0
    dark: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False, description="expected photons at black")] = 1.0

    def build(self, shape: Shape) -> PoissonNoise:
        return PoissonNoise(self.peak, self.dark)
