"""The identity: the measurement sees every pixel."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from operators.maps.base import Constant, LinearMap, Planes, ThinSVD
from operators.maps.planes import ChannelPlanes
from operators.parts import PART_CONFIG, MapPart
from operators.shapes import ImageShape


class IdentityMap(LinearMap):
    """a(x) = x."""

    pictures = True
    row_gram = 1.0

    def __init__(self, image_shape: ImageShape) -> None:
        self.image_shape = self.output_shape = image_shape

    def __call__(self, x: Tensor) -> Tensor:
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        return y

    def svd(self) -> ThinSVD:
        return IdentitySVD(self.image_shape)

    def planes(self) -> Planes:
        return ChannelPlanes(self)


class IdentitySVD(ThinSVD):
    """I = I 1 I."""

    def __init__(self, image_shape: ImageShape) -> None:
        self.singular_values = Constant(torch.ones(image_shape))

    def project(self, x: Tensor) -> Tensor:
        return x

    def lift(self, c: Tensor) -> Tensor:
        return c

    def project_measurement(self, y: Tensor) -> Tensor:
        return y


@dataclass(frozen=True, config=PART_CONFIG)
class Identity(MapPart):
    """Every pixel as it is."""

    kind: Literal["identity"] = "identity"

    def build(self, image_shape: ImageShape) -> IdentityMap:
        return IdentityMap(image_shape)
