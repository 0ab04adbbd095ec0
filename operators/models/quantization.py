"""Quantised sensing: a few bits per pixel, or one."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from operators.maps import IdentityMap
from operators.model import MODEL_CONFIG, ForwardModel
from operators.noise import Dither, Quantizer
from operators.shapes import ImageShape


@dataclass(frozen=True, config=MODEL_CONFIG)
class Quantization(ForwardModel):
    """y = Q(x + tau w) per pixel, Q the quantiser of [-1, 1] into 2^bits cells; one bit is the sign, with tau = 0.4 in Xu & Chi (2024).

    ``image_shape`` (C, H, W) is y's shape too; several ``looks`` make it (looks, C, H, W). The values are 2^bits equally spaced levels
    from -1 to 1, so that a black and white picture is a one-bit measurement: black -1, white +1.
    So is a .npy file of bytes with eight bits each.
    """

    name: ClassVar[str] = "quantization"
    summary: ClassVar[str] = "One bit per pixel, or a few: the dithered image, quantised"

    image_shape: ImageShape
    tau: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False, description="scale of the dither, in [-1, 1] scale")] = 0.4
    dither: Annotated[Dither, Field(description="law of the dither")] = "logistic"
    bits: Annotated[int, Field(ge=1, le=8, description="bits per pixel")] = 1
    looks: Annotated[int, Field(ge=1, le=64, description="measurements of every pixel, each with its own dither")] = 1

    @cached_property
    def map(self) -> IdentityMap:
        """Every pixel."""
        return IdentityMap(self.image_shape)

    @cached_property
    def noise(self) -> Quantizer:
        """The quantiser with its dither."""
        return Quantizer(self.tau, self.dither, self.bits, self.looks)
