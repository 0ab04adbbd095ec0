"""Super-resolution: antialiased bicubic downsampling and Gaussian noise."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from operators.maps import SeparableMap
from operators.maps.bicubic import Bicubic, Boundary
from operators.model import MODEL_CONFIG, ForwardModel
from operators.noise import GaussianNoise
from operators.shapes import ImageShape


@dataclass(frozen=True, config=MODEL_CONFIG)
class SuperResolution(ForwardModel):
    """y = downsample(x) + noise_std e: bicubic (Keys a = -0.5), antialiased, half-pixel centres.

    ``image_shape`` (C, H, W); y has shape (C, H / factor, W / factor). Raises :class:`operators.ShapeError` when ``factor``
    does not divide the image.
    """

    name: ClassVar[str] = "super_resolution"
    summary: ClassVar[str] = "Antialiased bicubic downsampling by an integer factor, with Gaussian noise"

    image_shape: ImageShape
    factor: Annotated[int, Field(ge=1, le=64, description="downsampling factor; must divide height and width")] = 4
    noise_std: Annotated[
        float, Field(gt=0, le=10, allow_inf_nan=False, description="standard deviation of the noise, in [-1, 1] scale")
    ] = 0.1

    boundary: Annotated[Boundary, Field(description="how the image goes on beyond its edges")] = "reflect"

    def __post_init__(self) -> None:
        _ = self.map

    @cached_property
    def map(self) -> SeparableMap:
        """Bicubic downsampling."""
        return Bicubic(factor=self.factor, boundary=self.boundary).build(self.image_shape)

    @cached_property
    def noise(self) -> GaussianNoise:
        """White Gaussian noise."""
        return GaussianNoise(self.noise_std)
