"""JPEG's rounding as a noise model: a coefficient of the file says in which cell the transformed image lies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from operators.errors import MeasurementError
from operators.jpeg.cells import CoefficientScale
from operators.noise.cells import CellNoise
from operators.noise.dither import FAR, Dither, log_interval


@dataclass(frozen=True)
class JPEGNoise(CellNoise):
    """y = the integer coefficients of a + tau e, where a is JPEG's transform of an image.

    ``tau`` is in [-1, 1] scale and may be 0, though a real encoder starts from whole grey levels, which is a noise of 0.0023.
    """

    tau: float
    scaling: CoefficientScale
    dither: Dither = "gaussian"

    def check(self, y: Tensor) -> None:
        bad = int((y != y.round()).sum())
        if bad:
            raise MeasurementError(f"expected whole numbers, the coefficients of a JPEG file, got {bad} of {y.numel()} others")

    def encode(self, signal: Tensor) -> Tensor:
        return self.scaling.rounded(signal[None])[0]

    def cells(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.scaling.cells(y)

    def without(self, std: float) -> Self:
        return replace(self, tau=self.tau_without(std))

    def misfit(self, y: Tensor, clean: Tensor) -> Tensor:
        """From the mean square, given y, of the noise that was added before rounding: tau² in expectation."""
        unit = max(self.tau, 1 / FAR)
        a, b = (((end - clean) / unit).clamp(-FAR, FAR) for end in self.cells(y))
        log_mass = log_interval(a, b, "gaussian")
        edges = [z * (-0.5 * z.square() - 0.5 * math.log(2 * math.pi) - log_mass).exp() for z in (a, b)]
        return (1 + edges[0] - edges[1]).flatten(1).mean(1).sqrt()

    @property
    def scale(self) -> float:
        """Noise and rounding together, at the finest step."""
        return math.hypot(self.tau, self.scaling.step.value.min().item() / math.sqrt(12))
