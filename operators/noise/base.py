"""The contract of a noise model."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor

from operators.shapes import Shape

QUADRATURE_REACH = 8.5  # standard deviations
STAYS = 0.05  # of a noise's variance that cannot be taken out of it
LARGEST_STEP, NOISE_RESOLUTION = 0.4, 0.25


def variance_left(variance: float, taken: Tensor) -> Tensor:
    """``variance`` without ``taken``, but at least the twentieth that always stays."""
    return (variance - taken).clamp_min(STAYS * variance)


def std_left(std: float, taken: float) -> float:
    """The same for one number, in standard deviations."""
    return math.sqrt(variance_left(std**2, torch.tensor(taken**2, dtype=torch.float64)).item())


class NoiseModel(ABC):
    """p(y | a): how a clean measurement a = a(x) becomes the measurement y."""

    def measurement_shape(self, output_shape: Shape) -> Shape:
        """Shape of y when the map puts out ``output_shape``."""
        return output_shape

    @property
    def saturates(self) -> bool:
        """Whether a stronger signal makes no difference to y, as for one bit."""
        return False

    def check(self, y: Tensor) -> None:
        """Raise :class:`operators.MeasurementError` when ``y`` (finite) holds values that the noise model cannot produce."""
        return

    def unpack(self, array: Tensor, shape: Shape) -> Tensor:
        """A measurement of ``shape`` in a compact form that people keep it in, where the noise model knows one; else ``array`` as it is."""
        return array

    def widened(self, x: Tensor) -> Tensor:
        """``x`` in the precision that a measurement of it is simulated in: its own, unless rounding errors would show in y."""
        return x

    @property
    def divides(self) -> bool:
        """Whether a Gaussian part can be taken out of it."""
        return False

    def without(self, std: float) -> Self:
        """What is left of the noise when a Gaussian part of ``std`` is taken out: the two together are this noise.

        At least a twentieth of the variance stays, whatever ``std``. A noise that does not divide is left as it is.
        """
        return self

    @abstractmethod
    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """One measurement y of ``clean`` (*output_shape), drawn on the CPU generator."""

    @abstractmethod
    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        """log p(y | clean) with its normalising constant, one number per image: (B,)."""

    def log_prob_and_gradient(self, y: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """``log_prob`` and its gradient with respect to ``clean``: by autograd where a noise model has no formula."""
        with torch.enable_grad():
            leaf = clean.detach().requires_grad_(True)
            value = self.log_prob(y, leaf)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), gradient

    @abstractmethod
    def deviance(self, y: Tensor, clean: Tensor) -> Tensor:
        """2 (max log p(y | .) - log p(y | clean)), (B,): the squared misfit in units of the noise; 0 for a perfect fit."""

    @abstractmethod
    def misfit(self, y: Tensor, clean: Tensor) -> Tensor:
        """Root mean square of the standardised (Pearson) residuals, (B,): 1 in expectation of its square where ``clean`` is the truth."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """The noise level as a standard deviation in the measurement's units: the default eta_min is chosen from it."""


class SeparableNoise(NoiseModel):
    """Independent entries: log p(y | a) is a sum over entries of a function of (y_j, a_j)."""

    @abstractmethod
    def log_prob_entries(self, y: Tensor, clean: Tensor) -> Tensor:
        """log p(y_j | clean_j), the shape of ``clean``."""

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        return self.log_prob_entries(y, clean).flatten(1).sum(1)

    def smoothed_log_prob_entries(self, y: Tensor, clean: Tensor, std: float) -> Tensor:
        """log E p(y_j | clean_j + std t), t ~ N(0, 1): by quadrature where a noise model has no closed form."""
        return self._integrate(y, clean, std)

    def _integrate(self, y: Tensor, clean: Tensor, std: float) -> Tensor:
        """The trapezoidal rule, whose error falls exponentially once its step resolves both t's density and the noise."""
        step = min(LARGEST_STEP, NOISE_RESOLUTION * self.scale / std)
        n = math.ceil(QUADRATURE_REACH / step)
        total = torch.full_like(clean, -torch.inf)
        for k in range(-n, n + 1):
            t = k * step
            total = torch.logaddexp(total, self.log_prob_entries(y, clean + std * t) + math.log(step) - 0.5 * t * t)
        return total - 0.5 * math.log(2 * math.pi)
