"""Quantised sensing: one bit per pixel."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from operators.maps import IdentityMap
from operators.model import MODEL_CONFIG, ForwardModel
from operators.noise import Dither, OneBit
from operators.shapes import ImageShape


@dataclass(frozen=True, config=MODEL_CONFIG)
class Quantization(ForwardModel):
    """y = sign(x + tau w) per pixel: -1 or +1, with logistic dither (Xu & Chi 2024, tau = 0.4) or Gaussian dither.

    ``image_shape`` (C, H, W) is y's shape too. A black and white picture is a measurement: black -1, white +1.
    """

    name: ClassVar[str] = "quantization"
    summary: ClassVar[str] = "One bit per pixel: the sign of the dithered image"

    image_shape: ImageShape
    tau: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False, description="scale of the dither, in [-1, 1] scale")] = 0.4
    dither: Annotated[Dither, Field(description="law of the dither")] = "logistic"

    @cached_property
    def map(self) -> IdentityMap:
        """Every pixel."""
        return IdentityMap(self.image_shape)

    @cached_property
    def noise(self) -> OneBit:
        """The sign."""
        return OneBit(self.tau, self.dither)
