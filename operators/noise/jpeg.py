"""JPEG's rounding as a noise model: a coefficient of the file says in which cell the transformed image lies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import pydantic.dataclasses
from pydantic import Field
from torch import Tensor

from operators.errors import MeasurementError, ShapeError
from operators.jpeg.cells import CoefficientScale
from operators.jpeg.encoder import ChromaSubsampling, ChromaTables, Encoder, LumaTable, NoiseStd, Quality
from operators.maps.base import LinearMap, Map
from operators.noise.cells import CellNoise
from operators.noise.dither import FAR, Dither, log_interval
from operators.parts import PART_CONFIG, NoisePart
from operators.shapes import Shape


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

    def widened(self, x: Tensor) -> Tensor:
        """In double precision: single precision takes some edges for the next cell."""
        return x.double()

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


@pydantic.dataclasses.dataclass(frozen=True, config=PART_CONFIG)
class JPEG(NoisePart):
    """What a JPEG file keeps of the picture that the map makes: the array of its quantised coefficients.

    The picture is grey (1, H, W) or RGB (3, H, W), of whole blocks. Its noise is white in what JPEG transforms.
    """

    kind: Literal["jpeg"] = "jpeg"
    noise_std: Annotated[NoiseStd, Field(gt=0)] = 0.02
    quality: Quality = 50
    table: LumaTable = None
    chroma_tables: ChromaTables = None
    subsampling: ChromaSubsampling = "4:4:4"

    def build(self, shape: Shape) -> JPEGNoise:
        return JPEGNoise(self.noise_std, self._encoder(shape).scale)

    def front(self, physics: Map) -> LinearMap:
        if not physics.pictures:
            shape = tuple(physics.output_shape)
            raise ShapeError(f"expected before JPEG a map whose output is a picture, got one with other numbers, of shape {shape}")
        return self._encoder(physics.output_shape).transform

    def _encoder(self, shape: Shape) -> Encoder:
        channels, height, width = shape
        try:
            return Encoder((channels, height, width), self.quality, self.table, self.chroma_tables, self.subsampling)
        except ShapeError as error:
            raise ShapeError(f"JPEG does not fit what the map puts out: {error}") from error
