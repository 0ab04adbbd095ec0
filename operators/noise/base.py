"""The contract of a noise model."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from operators.shapes import Shape


class NoiseModel(ABC):
    """p(y | a): how a clean measurement a = a(x) becomes the measurement y."""

    def measurement_shape(self, output_shape: Shape) -> Shape:
        """Shape of y when the map puts out ``output_shape``."""
        return output_shape

    @abstractmethod
    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """One measurement y of ``clean`` (*output_shape), drawn on the CPU generator."""

    @abstractmethod
    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        """log p(y | clean) with its normalising constant, one number per image: (B,)."""

    @abstractmethod
    def misfit(self, y: Tensor, clean: Tensor) -> Tensor:
        """Root mean square misfit in units of the noise level, (B,): about 1 where ``clean`` is the truth."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """The noise level as a standard deviation in the measurement's units: the default eta_min is chosen from it."""
