"""Coded Fourier magnitudes: what a detector in the far field sees of a masked image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from operators.errors import ShapeError
from operators.maps.base import Constant, Map
from operators.parts import PART_CONFIG, MapPart
from operators.rng import MASK, generator_for
from operators.shapes import ImageShape, matrix_of

FLOOR = 0.01
"""Rounds the magnitude off at zero, where |z| has no derivative; far below any useful noise level."""
MaskRows = list[list[Annotated[float, Field(allow_inf_nan=False)]]]
CodedMask = Annotated[Literal["ternary", "none"] | MaskRows, Field(description="the coded mask: ternary, none, or H rows of W numbers")]
MaskSeed = Annotated[int, Field(ge=0, description="seed of the ternary mask")]


class FourierMagnitude(Map):
    """a(x) = sqrt(|F(mask x)|² + 0.01²), F the orthonormal FFT of the image zero-padded to ``oversampling`` times its sides.

    ``mask`` (H, W), real. Without a mask (all ones) a(x) does not change under sign, rotation by half a turn, and shifts; a mask leaves
    the sign. Raises :class:`ShapeError` when the mask does not fit the image.
    """

    def __init__(self, mask: Tensor, image_shape: ImageShape, oversampling: int) -> None:
        c, h, w = image_shape
        if tuple(mask.shape) != (h, w):
            raise ShapeError(f"expected a mask of shape {(h, w)}, got {tuple(mask.shape)}")
        self.image_shape = image_shape
        self.output_shape = (c, oversampling * h, oversampling * w)
        self._mask = Constant(mask)

    def __call__(self, x: Tensor) -> Tensor:
        z = torch.fft.fft2(self._mask.like(x) * x, s=self.output_shape[1:], norm="ortho")
        return (z.real.square() + z.imag.square() + FLOOR**2).sqrt()

    def linearized(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """By two real transforms, on the half of the frequencies that tells the other half: z(-k) = z(k)*."""
        (height, width), (rows, columns), mask = self.image_shape[1:], self.output_shape[1:], self._mask.like(x)
        half = torch.fft.fft(torch.fft.rfft(mask * x, columns, norm="ortho"), rows, dim=-2, norm="ortho")
        magnitude = half.real.square().addcmul_(half.imag, half.imag).add_(FLOOR**2).sqrt_()
        told, inner = magnitude.shape[-1], slice(1, 1 + columns - magnitude.shape[-1])

        def pull_back(v: Tensor) -> Tensor:
            weight = v[..., :told].clone()
            weight[..., inner] += _opposite(v[..., told:])
            weight[..., inner] /= 2  # the inverse transform counts them twice
            lines = torch.fft.ifft(half * weight.div_(magnitude), dim=-2, norm="ortho")[..., :height, :]
            lines.imag[..., 0] = 0  # of the frequencies that are their own opposites, which not every library ignores
            if columns % 2 == 0:
                lines.imag[..., -1] = 0
            return mask * torch.fft.irfft(lines, columns, norm="ortho")[..., :width]

        return torch.cat([magnitude, _opposite(magnitude[..., inner])], dim=-1), pull_back

    @property
    def stored(self) -> dict[str, Tensor]:
        return {"mask": self._mask.value}

    @property
    def even(self) -> bool:
        return True

    def gram_diagonal(self) -> Tensor:
        """mask²/2: a magnitude sees one of the two components of a change of z, so half its energy on average."""
        return (0.5 * self._mask.value.square()).expand(self.image_shape)


def _opposite(plane: Tensor) -> Tensor:
    """At the negative frequencies: rows k to -k modulo their number, columns from last to first."""
    return plane.flip((-2, -1)).roll(1, -2)


def ternary_mask(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """-1, 0, +1 with probabilities 1/8, 3/4, 1/8 (Xu & Chi 2024), (H, W) float64."""
    u = torch.rand(shape, generator=generator, dtype=torch.float64)
    return (u > 7 / 8).double() - (u < 1 / 8).double()


@dataclass(frozen=True, config=PART_CONFIG)
class CodedFourier(MapPart):
    """Magnitudes of the oversampled Fourier transform of the image, with a mask on it: seeded, of -1, 0 and +1; given; or none."""

    stored_by: ClassVar[Mapping[str, tuple[str, ...]]] = {"mask": ("mask", "mask_seed")}

    kind: Literal["fourier_magnitude"] = "fourier_magnitude"
    oversampling: Annotated[int, Field(ge=1, le=8, description="zero-padding: the transform's side over the image's")] = 2
    mask: CodedMask = "ternary"
    mask_seed: MaskSeed = 0

    def build(self, image_shape: ImageShape) -> FourierMagnitude:
        return FourierMagnitude(self._values(image_shape[1:]), image_shape, self.oversampling)

    def _values(self, shape: tuple[int, int]) -> Tensor:
        if self.mask == "ternary":
            return ternary_mask(shape, generator_for(self.mask_seed, MASK))
        if self.mask == "none":
            return torch.ones(shape, dtype=torch.float64)
        return matrix_of(self.mask, "mask")
