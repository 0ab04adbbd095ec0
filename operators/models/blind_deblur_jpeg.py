"""A blurred photograph in a JPEG file: the blur may be unknown."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from operators.blind import BlindBlur
from operators.errors import FileKindError, ShapeError
from operators.files import ARRAYS, described, kind_of
from operators.jpeg import CoefficientScale, as_tensor, read_jpeg, standard_tables, transform_for, transform_of
from operators.maps import LinearMap
from operators.model import MODEL_CONFIG
from operators.noise.jpeg import JPEGNoise
from operators.shapes import ImageShape

MAX_FILE_PIXELS = 2**20
Table = Annotated[list[list[Annotated[int, Field(ge=1, le=65535)]]], Field(min_length=8, max_length=8)]


@dataclass(frozen=True, config=MODEL_CONFIG)
class BlindDeblurJPEG(BlindBlur):
    """y = JPEG(kernel * x + noise_std e): the integer coefficients of a JPEG file whose image is x, blurred with circular edges.

    Without ``kernel`` the blur is unknown, one of the 33 x 33 kernels of the prior ``kernels-33``, and the posterior holds images and
    kernels; [[1]] is JPEG alone. ``table`` is the file's quantisation table; without it, the standard one at ``quality``. Grey images
    (1, H, W) whose sides are multiples of 8, at least 40 with an unknown kernel; y has shape (H / 8, W / 8, 8, 8), indexed by vertical,
    then horizontal frequency. Raises :class:`operators.ShapeError` otherwise.
    """

    name: ClassVar[str] = "blind_deblur_jpeg"
    summary: ClassVar[str] = "A JPEG file of a blurred image, with unknown or known blur, by its quantised coefficients"
    takes: ClassVar[str] = "the .jpg file itself, or the array of its coefficients"

    image_shape: ImageShape
    noise_std: Annotated[
        float, Field(ge=0, le=10, allow_inf_nan=False, description="standard deviation of the noise before JPEG, in [-1, 1] scale")
    ] = 0.02
    quality: Annotated[int, Field(ge=1, le=100, description="JPEG quality, where no table is given")] = 50
    table: Annotated[Table | None, Field(description="the file's own 8 x 8 quantisation table")] = None
    kernel: Annotated[list[list[float]] | None, Field(description="the blur, rows of numbers with odd sides; unknown if not given")] = None

    def __post_init__(self) -> None:
        if self.image_shape[0] != 1:
            raise ShapeError(
                f"expected grey images (1, H, W), got {tuple(self.image_shape)}; a colour JPEG needs a prior for colour images"
            )
        if self.table is not None and any(len(row) != 8 for row in self.table):
            raise ShapeError(f"expected a table of 8 rows of 8 numbers, got rows of {[len(row) for row in self.table]}")
        self.check_blur()
        _ = self.transform

    @cached_property
    def transform(self) -> LinearMap:
        """The orthonormal block DCT."""
        return transform_for(self.image_shape)

    @cached_property
    def noise(self) -> JPEGNoise:
        """Noise, then rounding of the coefficients."""
        table = standard_tables(self.quality)[0] if self.table is None else np.array(self.table, dtype=np.int32)
        return JPEGNoise(self.noise_std, CoefficientScale.of(self.transform, [table]))  # type: ignore[arg-type]  # grey: a BlockDCT

    @classmethod
    def read_file(cls, content: bytes, image_shape: ImageShape) -> tuple[Tensor, dict[str, Any]] | None:
        """A JPEG file's coefficients, and its table as the parameter ``table``; None for an array, which may hold such coefficients."""
        kind = kind_of(content)
        if kind in ARRAYS:
            return None
        if kind != "JPEG":
            raise FileKindError(f"expected {cls.takes}, got {described(content)}; a picture saved anew has lost the coefficients")
        jpeg = read_jpeg(content, max_pixels=MAX_FILE_PIXELS)
        came = (len(jpeg.components), jpeg.height, jpeg.width)
        if came != tuple(image_shape):
            hint = "; save it as greyscale" if len(jpeg.components) > 1 else ""
            raise ShapeError(f"expected a JPEG file of an image {tuple(image_shape)}, got one of {came}{hint}")
        return as_tensor(jpeg, transform_of(jpeg)), {"table": jpeg.components[0].quantisation.tolist()}
