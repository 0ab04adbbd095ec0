"""The planes of maps that keep an image's channels apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from operators.maps.base import Constant, LinearMap, Planes


class ChannelPlanes(Planes):
    """Of a square orthonormal map: the planes are the image's channels."""

    def __init__(self, a: LinearMap) -> None:
        self._map = a
        channels = a.image_shape[0]
        self.full, self.averaged, self.box = Constant(torch.eye(channels)), Constant(torch.empty(0, channels)), (1, 1)

    def project(self, y: Tensor) -> list[Tensor]:
        return list(self._map.adjoint(y).unbind(1))

    def spread(self, values: Tensor) -> Tensor:
        """Of the planes' mean: U may mix them."""
        return values.mean(1).reshape(-1, *[1] * len(self._map.output_shape))

    def variances(self, power: Sequence[Tensor]) -> Tensor:
        """Of the planes' mean, see :meth:`spread`."""
        return self.spread(torch.stack([p.mean((-2, -1)) for p in power], 1))
