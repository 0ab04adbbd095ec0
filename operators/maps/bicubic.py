"""Antialiased bicubic downsampling by an integer factor."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from operators.errors import ShapeError
from operators.maps.separable import SeparableMap
from operators.parts import PART_CONFIG, MapPart
from operators.shapes import ImageShape

KEYS_A = -0.5


def keys_kernel(t: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5 (Keys 1981), zero for |t| >= 2."""
    a, t = KEYS_A, t.abs()
    near = ((a + 2) * t - (a + 3)) * t.square() + 1
    far = a * (((t - 5) * t + 8) * t - 4)
    return torch.where(t < 1, near, torch.where(t < 2, far, torch.zeros_like(t)))


def reflect(index: Tensor, size: int) -> Tensor:
    """Indices outside [0, size) mirrored about the edge pixels, as often as needed (numpy's ``mode="reflect"``)."""
    if size == 1:
        return torch.zeros_like(index)
    period = 2 * (size - 1)
    folded = index.remainder(period)
    return torch.minimum(folded, period - folded)


Boundary = Literal["reflect", "edge", "circular"]


def continued(index: Tensor, size: int, boundary: Boundary) -> Tensor:
    """Indices brought into [0, size) as the image is continued beyond its edges."""
    if boundary == "reflect":
        return reflect(index, size)
    return index.clamp(0, size - 1) if boundary == "edge" else index.remainder(size)


def bicubic_matrix(size: int, factor: int, boundary: Boundary = "reflect") -> Tensor:
    """One axis of the downsampling, float64 (size / factor, size).

    Output pixel i is centred at ``(i + 1/2) factor - 1/2`` in input pixels; its weights are Keys' kernel stretched by ``factor``
    (which antialiases), normalised to sum 1, over an image continued by reflection, by its edge pixels, or periodically.
    """
    n_out, reach = size // factor, 2 * factor
    centre = (torch.arange(n_out, dtype=torch.float64) + 0.5) * factor - 0.5
    taps = torch.floor(centre)[:, None] + torch.arange(1 - reach, reach + 1, dtype=torch.float64)
    weights = keys_kernel((taps - centre[:, None]) / factor)
    weights = weights / weights.sum(1, keepdim=True)
    return torch.zeros(n_out, size, dtype=torch.float64).scatter_add_(1, continued(taps.long(), size, boundary), weights)


@dataclass(frozen=True, config=PART_CONFIG)
class Bicubic(MapPart):
    """Antialiased bicubic downsampling by ``factor``, which must divide height and width."""

    kind: Literal["bicubic"] = "bicubic"
    factor: Annotated[int, Field(ge=1, le=64, description="downsampling factor; must divide height and width")] = 4
    boundary: Annotated[Boundary, Field(description="how the image goes on beyond its edges")] = "reflect"

    def build(self, image_shape: ImageShape) -> SeparableMap:
        c, h, w = image_shape
        if h % self.factor or w % self.factor:
            raise ShapeError(f"factor {self.factor} must divide the image's height and width, got {h} x {w}")
        rows, columns = (bicubic_matrix(size, self.factor, self.boundary) for size in (h, w))
        return SeparableMap(rows, columns, c)
