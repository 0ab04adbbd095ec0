"""One map after another."""

from __future__ import annotations

from torch import Tensor

from operators.maps.base import LinearMap, Map
from operators.maps.identity import IdentityMap


class ChainMap(Map):
    """a(x) = last(first(x))."""

    def __init__(self, first: Map, last: Map) -> None:
        self.first, self.last = first, last
        self.image_shape, self.output_shape = first.image_shape, last.output_shape

    def __call__(self, x: Tensor) -> Tensor:
        return self.last(self.first(x))

    @property
    def stored(self) -> dict[str, Tensor]:
        return self.first.stored


class LinearChain(ChainMap, LinearMap):
    """Of linear maps, linear: the adjoint is that of the parts in reverse."""

    first: LinearMap
    last: LinearMap

    def adjoint(self, y: Tensor) -> Tensor:
        return self.first.adjoint(self.last.adjoint(y))


def chain(first: Map, last: LinearMap) -> Map:
    """``last`` after ``first``, linear where both are; the identity disappears."""
    if isinstance(first, IdentityMap):
        return last
    return LinearChain(first, last) if isinstance(first, LinearMap) else ChainMap(first, last)
