"""Coded Fourier magnitudes: what a detector in the far field sees of a masked image."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from operators.maps.base import Constant, Map
from operators.parts import PART_CONFIG, MapPart
from operators.rng import MASK, generator_for
from operators.shapes import ImageShape

FLOOR = 0.01
"""Rounds the magnitude off at zero, where |z| has no derivative; far below any useful noise level."""


class FourierMagnitude(Map):
    """a(x) = sqrt(|F(mask x)|² + 0.01²), F the orthonormal FFT of the image zero-padded to ``oversampling`` times its sides.

    ``mask`` (H, W). Without a mask (all ones) a(x) does not change under sign, rotation by half a turn, and shifts; a mask leaves the sign.
    """

    def __init__(self, mask: Tensor, image_shape: ImageShape, oversampling: int) -> None:
        c, h, w = image_shape
        self.image_shape = image_shape
        self.output_shape = (c, oversampling * h, oversampling * w)
        self._mask = Constant(mask)

    def __call__(self, x: Tensor) -> Tensor:
        z = torch.fft.fft2(self._mask.like(x) * x, s=self.output_shape[1:], norm="ortho")
        return (z.real.square() + z.imag.square() + FLOOR**2).sqrt()

    def gram_diagonal(self) -> Tensor:
        """mask²/2: a magnitude sees one of the two components of a change of z, so half its energy on average."""
        return (0.5 * self._mask.value.square()).expand(self.image_shape)


def ternary_mask(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """-1, 0, +1 with probabilities 1/8, 3/4, 1/8 (Xu & Chi 2024), (H, W) float64."""
    u = torch.rand(shape, generator=generator, dtype=torch.float64)
    return (u > 7 / 8).double() - (u < 1 / 8).double()


@dataclass(frozen=True, config=PART_CONFIG)
class CodedFourier(MapPart):
    """Magnitudes of the oversampled Fourier transform of the image, with a seeded mask of -1, 0 and +1 on it, or none."""

    kind: Literal["fourier_magnitude"] = "fourier_magnitude"
    oversampling: Annotated[int, Field(ge=1, le=8, description="zero-padding: the transform's side over the image's")] = 2
    mask: Annotated[Literal["ternary", "none"], Field(description="the coded mask, or none")] = "ternary"
    mask_seed: Annotated[int, Field(ge=0, description="seed of the mask")] = 0

    def build(self, image_shape: ImageShape) -> FourierMagnitude:
        ones = torch.ones(image_shape[1:], dtype=torch.float64)
        mask = ones if self.mask == "none" else ternary_mask(image_shape[1:], generator_for(self.mask_seed, MASK))
        return FourierMagnitude(mask, image_shape, self.oversampling)
