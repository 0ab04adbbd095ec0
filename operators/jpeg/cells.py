"""Between the coefficients of a JPEG file and the image's scale: the cell that each transformed pixel block lies in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from operators.jpeg.coefficients import JPEGCoefficients
from operators.jpeg.subsampling import FACTORS, subsampling_of
from operators.maps.base import Constant
from operators.maps.block_dct import BLOCK, BlockDCT
from operators.maps.colour_dct import ColourBlockDCT
from operators.shapes import ImageShape

GREY_LEVELS = 127.5  # of 8-bit files per unit of the [-1, 1] scale; level 127.5 is 0
LEVEL_SHIFT = 128.0  # what JPEG takes from every sample first

Transform = BlockDCT | ColourBlockDCT


@dataclass(frozen=True, eq=False)
class CoefficientScale:
    """Coefficient c of a file means: the transformed image lies within half a ``step`` of ``zero + c step``, in [-1, 1] scale.

    Both have the transform's output shape.
    """

    step: Constant
    zero: Constant

    @classmethod
    def of(cls, transform: Transform, tables: Sequence[NDArray[np.int32]]) -> CoefficientScale:
        """The scale for one (8, 8) quantisation table per component."""
        steps, zeros = [], []
        blank = torch.zeros(1, *transform.output_shape, dtype=torch.float64)
        for i, (component, table) in enumerate(zip(transform.components(blank), tables, strict=True)):
            steps.append(torch.from_numpy(table.astype(float) / GREY_LEVELS).expand_as(component))
            zero = component.clone()
            if i == 0:  # chroma has its zero at the level shift; grey 0 of the [-1, 1] scale is half a level under it
                zero[..., 0, 0] = BLOCK * (LEVEL_SHIFT - GREY_LEVELS) / GREY_LEVELS
            zeros.append(zero)
        return cls(Constant(transform.joined(steps)[0]), Constant(transform.joined(zeros)[0]))

    def rounded(self, transformed: Tensor) -> Tensor:
        """The integer coefficients of transformed images (B, *output_shape)."""
        return torch.round((transformed - self.zero.like(transformed)) / self.step.like(transformed))

    def cells(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Lower and upper ends of the cells of coefficients (B, *output_shape)."""
        step, zero = self.step.like(coefficients), self.zero.like(coefficients)
        return zero + (coefficients - 0.5) * step, zero + (coefficients + 0.5) * step


def transform_for(image_shape: ImageShape, subsampling: tuple[int, int] = (1, 1)) -> Transform:
    """JPEG's transform of grey or RGB images. Raises :class:`ShapeError` when whole blocks do not fit them."""
    return BlockDCT(image_shape) if image_shape[0] == 1 else ColourBlockDCT(image_shape, subsampling)


def transform_of(jpeg: JPEGCoefficients) -> Transform:
    """The transform that leads to a file's coefficients.

    Raises :class:`ShapeError` when its image is not made of whole blocks, :class:`operators.jpeg.UnsupportedJPEGError` when its chroma
    is subsampled in another way than the usual four.
    """
    return transform_for((len(jpeg.components), jpeg.height, jpeg.width), FACTORS[subsampling_of(jpeg)])


def as_tensor(jpeg: JPEGCoefficients, transform: Transform) -> Tensor:
    """The file's coefficients in the output shape of ``transform``, float32."""
    return transform.joined([torch.from_numpy(c.coefficients)[None].float() for c in jpeg.components])[0]
