"""A saturating uniform quantiser of a dithered signal; one bit keeps only the sign."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import pydantic.dataclasses
import torch
from pydantic import Field
from torch import Tensor

from operators.errors import MeasurementError
from operators.noise.cells import CellNoise
from operators.noise.dither import DITHER_STD, Dither
from operators.parts import PART_CONFIG, NoisePart
from operators.shapes import Shape

TOLERANCE = 1e-3  # of the distance of two levels: rounding errors of numbers in files
WHITE = 255  # of 8-bit pictures


@dataclass(frozen=True)
class Quantizer(CellNoise):
    """y = Q(a + tau w): the range [-1, 1] in 2^bits equal cells, the outer ones endless; w standard logistic or standard normal.

    The cells are named by equally spaced levels from -1 to 1, or by the grey levels that are nearest to them in an 8-bit picture. One bit
    is the sign, P(y = +1) = sigmoid(a / tau) (Xu & Chi 2024) or Phi(a / tau). ``looks`` > 1 measures that often, each with its own dither:
    y gains a first axis.
    """

    tau: float
    dither: Dither = "logistic"
    bits: int = 1
    looks: int = 1

    @property
    def levels(self) -> int:
        """Number of cells."""
        return int(2**self.bits)

    @property
    def saturates(self) -> bool:
        return self.bits == 1

    def measurement_shape(self, output_shape: Shape) -> Shape:
        return output_shape if self.looks == 1 else (self.looks, *output_shape)

    def check(self, y: Tensor) -> None:
        code = self._code(y)
        level = code.round().clamp(0, self.levels - 1)
        grey_levels = WHITE / (self.levels - 1)
        in_a_picture = (level * grey_levels).round() / grey_levels
        bad = int((torch.minimum((code - level).abs(), (code - in_a_picture).abs()) > TOLERANCE).sum())
        if bad:
            what = "one-bit values -1 or +1" if self.bits == 1 else f"the {self.levels} equally spaced levels from -1 to 1"
            raise MeasurementError(f"expected {what} in the measurement, got {bad} of {y.numel()} others")

    def unpack(self, array: Tensor, shape: Shape) -> Tensor:
        """One-bit measurements packed eight to a byte (``numpy.packbits`` of y > 0), given as bytes in [-1, 1] scale, (ceil(n / 8),)."""
        count = math.prod(shape)
        if self.bits > 1 or array.shape != (math.ceil(count / 8),) or count == 1:
            return array
        packed = ((array + 1) * 127.5).round().to(torch.int64)
        bits = packed[:, None] >> torch.arange(7, -1, -1) & 1
        return (2.0 * bits - 1).flatten()[:count].reshape(shape).to(array.dtype)

    def encode(self, signal: Tensor) -> Tensor:
        code = torch.floor((signal + 1) / 2 * self.levels).clamp(0, self.levels - 1)
        return code * (2 / (self.levels - 1)) - 1

    def cells(self, y: Tensor) -> tuple[Tensor, Tensor]:
        code = self._code(y).round()
        width = 2 / self.levels
        low, high = code * width - 1, (code + 1) * width - 1
        return torch.where(code == 0, -torch.inf, low), torch.where(code == self.levels - 1, torch.inf, high)

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        return super().sample(clean.expand(self.measurement_shape(clean.shape)), generator)

    def log_prob_entries(self, y: Tensor, clean: Tensor) -> Tensor:
        if self.looks == 1:
            return super().log_prob_entries(y, clean)
        return super().log_prob_entries(y, clean[:, None]).sum(1)

    def smoothed_log_prob_entries(self, y: Tensor, clean: Tensor, std: float) -> Tensor:
        if self.looks == 1:
            return super().smoothed_log_prob_entries(y, clean, std)
        return self._integrate(y, clean, std)

    @property
    def divides(self) -> bool:
        """With one look: several share what moves the signal, but not their dithers."""
        return super().divides and self.looks == 1

    def without(self, std: float) -> Self:
        return replace(self, tau=self.tau_without(std)) if self.divides else self

    def misfit(self, y: Tensor, clean: Tensor) -> Tensor:
        clean = clean if self.looks == 1 else clean[:, None]
        squares = self._one_bit_squares(y, clean) if self.bits == 1 else self._squares(y, clean)
        return squares.flatten(1).mean(1).sqrt()

    @property
    def scale(self) -> float:
        """Dither and rounding together, for all looks."""
        rounding = 0.0 if self.bits == 1 else 2 / self.levels / math.sqrt(12)
        return math.hypot(self.tau * DITHER_STD[self.dither], rounding) / math.sqrt(self.looks)

    def _code(self, y: Tensor) -> Tensor:
        return (y + 1) / 2 * (self.levels - 1)

    def _one_bit_squares(self, y: Tensor, clean: Tensor) -> Tensor:
        """(b - p)² / (p (1 - p)) for the bit b with P(b = 1) = p is P(-y) / P(y)."""
        return (CellNoise.log_prob_entries(self, -y, clean) - CellNoise.log_prob_entries(self, y, clean)).exp()

    def _squares(self, y: Tensor, clean: Tensor) -> Tensor:
        """(y - E y)² / Var y, by the sum over all levels."""
        y = self._code(y).round() * (2 / (self.levels - 1)) - 1
        values = torch.linspace(-1, 1, self.levels, dtype=clean.dtype, device=clean.device)
        p = torch.stack([CellNoise.log_prob_entries(self, v, clean).exp() for v in values])
        v = values.reshape(-1, *[1] * clean.ndim)
        mean = (p * v).sum(0)
        variance = (p * (v - mean).square()).sum(0)
        return (y - mean).square() / variance.clamp_min(torch.finfo(clean.dtype).tiny)


@pydantic.dataclasses.dataclass(frozen=True, config=PART_CONFIG)
class Quantized(NoisePart):
    """The dithered signal, quantised to 2^bits levels of [-1, 1]."""

    kind: Literal["quantized"] = "quantized"
    tau: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False, description="scale of the dither, in [-1, 1] scale")] = 0.4
    dither: Annotated[Dither, Field(description="law of the dither")] = "logistic"
    bits: Annotated[int, Field(ge=1, le=8, description="bits per entry")] = 1
    looks: Annotated[int, Field(ge=1, le=64, description="measurements of every entry, each with its own dither")] = 1

    def build(self, shape: Shape) -> Quantizer:
        return Quantizer(self.tau, self.dither, self.bits, self.looks)
