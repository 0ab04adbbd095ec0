"""A JPEG encoder's parameters, as forward models take them, and what they mean for images of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from operators.errors import ShapeError
from operators.jpeg.cells import CoefficientScale, Transform, transform_for
from operators.jpeg.quality import standard_tables
from operators.jpeg.subsampling import FACTORS, Subsampling
from operators.shapes import ImageShape

KINDS = {1: "grey", 3: "colour"}
"""Of images, by their channels."""

Rows = Annotated[list[list[Annotated[int, Field(ge=1, le=65535)]]], Field(min_length=8, max_length=8)]
NoiseStd = Annotated[
    float,
    Field(
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="standard deviation of the noise before JPEG, in [-1, 1] scale; of a colour image in Y, Cb and Cr",
    ),
]
Quality = Annotated[int, Field(ge=1, le=100, description="JPEG quality, where no table is given")]
LumaTable = Annotated[Rows | None, Field(description="the file's own 8 x 8 quantisation table, of a colour image that of Y")]
ChromaTables = Annotated[list[Rows] | None, Field(min_length=2, max_length=2, description="a colour file's own tables of Cb and Cr")]
ChromaSubsampling = Annotated[Subsampling, Field(description="of Cb and Cr in a colour file")]


@dataclass(frozen=True)
class Encoder:
    """JPEG of grey images (1, H, W) or RGB images (3, H, W), of whole blocks.

    ``table`` (grey or Y) and ``chroma_tables`` (Cb, Cr) are quantisation tables; without them, the standard ones at ``quality``. Raises
    :class:`operators.ShapeError` for what does not fit.
    """

    image_shape: ImageShape
    quality: int
    table: Sequence[Sequence[int]] | None
    chroma_tables: Sequence[Sequence[Sequence[int]]] | None
    subsampling: Subsampling

    def __post_init__(self) -> None:
        if self.image_shape[0] not in KINDS:
            raise ShapeError(f"expected grey images (1, H, W) or RGB images (3, H, W), got {tuple(self.image_shape)}")
        if self.image_shape[0] == 1 and (self.chroma_tables is not None or self.subsampling != "4:4:4"):
            raise ShapeError(f"chroma_tables and subsampling are of colour images (3, H, W), got grey ones {tuple(self.image_shape)}")
        for table in [self.table, *(self.chroma_tables or [])]:
            if table is not None and any(len(row) != 8 for row in table):
                raise ShapeError(f"expected a table of 8 rows of 8 numbers, got rows of {[len(row) for row in table]}")
        _ = self.transform

    @cached_property
    def transform(self) -> Transform:
        """The orthonormal block DCT, of RGB images after their YCbCr and its averages."""
        return transform_for(self.image_shape, FACTORS[self.subsampling])

    @cached_property
    def tables(self) -> list[NDArray[np.int32]]:
        """One for every component."""
        luma, chroma = standard_tables(self.quality)
        blue, red = self.chroma_tables or (None, None)
        pairs = [(self.table, luma), (blue, chroma), (red, chroma)]
        tables = [standard if own is None else np.array(own, np.int32) for own, standard in pairs]
        return tables[: self.image_shape[0]]

    @cached_property
    def scale(self) -> CoefficientScale:
        """What its coefficients mean."""
        return CoefficientScale.of(self.transform, self.tables)
