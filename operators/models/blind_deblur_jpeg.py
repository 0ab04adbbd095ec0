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
from operators.jpeg import FACTORS, Component, JPEGCoefficients, as_tensor, read_jpeg, subsampling_of, transform_of, write_jpeg
from operators.jpeg.cells import Transform
from operators.jpeg.encoder import KINDS, ChromaSubsampling, ChromaTables, Encoder, LumaTable, NoiseStd, Quality
from operators.model import MODEL_CONFIG
from operators.noise.jpeg import JPEGNoise
from operators.shapes import ImageShape

MAX_FILE_PIXELS = 2**20


@dataclass(frozen=True, config=MODEL_CONFIG)
class BlindDeblurJPEG(BlindBlur):
    """y = JPEG(kernel * x + noise): the integer coefficients of a JPEG file whose image is x, blurred with circular edges.

    Images are grey (1, H, W) or RGB (3, H, W), of whole blocks: H and W multiples of 8, or of 16 along a side that ``subsampling`` halves.
    The noise is white of ``noise_std`` in what JPEG transforms: the grey image, or Y, Cb and Cr of an RGB image, subsampled. y has shape
    (H / 8, W / 8, 8, 8) for a grey image, indexed by vertical, then horizontal frequency; for an RGB image it is flat, all coefficients
    of Y in this order, then of Cb, then of Cr.

    Without ``kernel`` the blur is unknown, one of the 33 x 33 kernels of the prior ``kernels-33``, and the posterior holds images and
    kernels; images are then at least 32 x 32. [[1]] is JPEG alone. ``table`` (grey or Y) and ``chroma_tables`` (Cb, Cr) are the file's
    quantisation tables; without them, the standard ones at ``quality``. Raises :class:`operators.ShapeError` for what does not fit.
    """

    name: ClassVar[str] = "blind_deblur_jpeg"
    summary: ClassVar[str] = "A JPEG file (grey or colour) of a blurred image, with unknown or known blur, by its quantised coefficients"
    takes: ClassVar[str] = "the .jpg file itself, or the array of its coefficients"

    image_shape: ImageShape
    noise_std: NoiseStd = 0.02
    quality: Quality = 50
    table: LumaTable = None
    chroma_tables: ChromaTables = None
    subsampling: Annotated[ChromaSubsampling, Field(description="of Cb and Cr in a colour file; a .jpg file tells its own")] = "4:4:4"
    kernel: Annotated[list[list[float]] | None, Field(description="the blur, rows of numbers with odd sides; unknown if not given")] = None

    def __post_init__(self) -> None:
        _ = self.encoder
        self.check_blur()

    @cached_property
    def encoder(self) -> Encoder:
        """What makes the file of the blurred image."""
        return Encoder(self.image_shape, self.quality, self.table, self.chroma_tables, self.subsampling)

    @property
    def transform(self) -> Transform:
        """The orthonormal block DCT, of RGB images after their YCbCr and its averages."""
        return self.encoder.transform

    @cached_property
    def noise(self) -> JPEGNoise:
        """Noise, then rounding of the coefficients."""
        return JPEGNoise(self.noise_std, self.encoder.scale)

    @classmethod
    def read_file(cls, content: bytes, image_shape: ImageShape) -> tuple[Tensor, dict[str, Any]] | None:
        """A JPEG file's coefficients, and its tables and subsampling as parameters; None for an array, which may hold them."""
        kind = kind_of(content)
        if kind in ARRAYS:
            return None
        if kind != "JPEG":
            raise FileKindError(f"expected {cls.takes}, got {described(content)}; a picture saved anew has lost the coefficients")
        jpeg = read_jpeg(content, max_pixels=MAX_FILE_PIXELS)
        _check_fits(jpeg, image_shape)
        luma, *chroma = (c.quantisation.tolist() for c in jpeg.components)
        colour = {"chroma_tables": chroma, "subsampling": subsampling_of(jpeg)} if chroma else {}
        return as_tensor(jpeg, transform_of(jpeg)), {"table": luma, **colour}

    def write_file(self, y: Tensor) -> tuple[str, bytes]:
        """A JPEG file with the coefficients ``y``. Raises :class:`operators.ShapeError`, or :class:`operators.MeasurementError` for
        coefficients that are no whole numbers, or larger than those of 8-bit images can be.
        """
        self.check_measurement(y)
        grids = [c[0].cpu().numpy().astype(np.int32) for c in self.transform.components(y[None])]
        samplings = [FACTORS[self.subsampling], (1, 1), (1, 1)]
        components = tuple(Component(*parts) for parts in zip(grids, self.encoder.tables, samplings[: len(grids)], strict=True))
        return ".jpg", write_jpeg(JPEGCoefficients(components, *self.image_shape[1:]))


def _check_fits(jpeg: JPEGCoefficients, image_shape: ImageShape) -> None:
    """Raise :class:`ShapeError` unless the file's image is one of ``image_shape``."""
    came = (len(jpeg.components), jpeg.height, jpeg.width)
    if came == tuple(image_shape):
        return
    hint, channels = "", image_shape[0]
    if came[0] != channels:
        hint = f": a {KINDS[came[0]]} file needs a prior for {KINDS[came[0]]} images" + (
            ", or save it as greyscale" if channels == 1 else ""
        )
    raise ShapeError(f"expected a JPEG file of an image {tuple(image_shape)}, got one of {came}{hint}")
