"""A linear map and a constant."""

from __future__ import annotations

from torch import Tensor

from operators.maps.base import Constant, LinearMap, Map


class AffineMap(Map):
    """a(x) = ``linear``(x) + ``offset``, ``offset`` (*output_shape)."""

    def __init__(self, linear: LinearMap, offset: Tensor) -> None:
        self.image_shape, self.output_shape = linear.image_shape, linear.output_shape
        self._linear, self.offset = linear, Constant(offset)

    def __call__(self, x: Tensor) -> Tensor:
        return self._linear(x) + self.offset.like(x)

    def linear_part(self) -> LinearMap:
        return self._linear

    def gram_diagonal(self) -> Tensor | None:
        return self._linear.gram_diagonal()


def without_offset(map: Map, y: Tensor) -> Tensor:
    """y - a(0): under additive noise the measurement of the map's linear part."""
    return y - map.offset.like(y) if isinstance(map, AffineMap) else y
