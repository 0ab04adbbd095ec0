"""The linear part of JPEG for colour images: YCbCr, subsampled chroma, block DCT of every component."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from operators.maps.base import Constant, LinearMap, Planes
from operators.maps.block_dct import BLOCK, block_dct, block_variances, check_blocks, inverse_block_dct
from operators.shapes import ImageShape

RED_IN_LUMA, BLUE_IN_LUMA = 0.299, 0.114


def ycbcr_matrix() -> Tensor:
    """RGB -> Y, Cb, Cr of JFIF (ITU-T T.871) without its offsets, float64 (3, 3): Cb and Cr range over [-1, 1] / 2 per unit of RGB."""
    luma = torch.tensor([RED_IN_LUMA, 1 - RED_IN_LUMA - BLUE_IN_LUMA, BLUE_IN_LUMA], dtype=torch.float64)
    red, _, blue = torch.eye(3, dtype=torch.float64)
    return torch.stack([luma, (blue - luma) / (2 - 2 * BLUE_IN_LUMA), (red - luma) / (2 - 2 * RED_IN_LUMA)])


class ColourBlockDCT(LinearMap):
    """a(x) = block DCTs of Y, Cb and Cr of an RGB image (3, H, W), chroma averaged over boxes first.

    ``subsampling`` is (across, down): (1, 1) for 4:4:4, (2, 1) for 4:2:2, (1, 2) for 4:4:0, (2, 2) for 4:2:0. The output is flat: all
    coefficients of Y, then Cb, then Cr, blocks in rows. Units are the image's, 127.5 grey levels each. Raises
    :class:`ShapeError` when 8 times the subsampling does not divide the sides.
    """

    def __init__(self, image_shape: ImageShape, subsampling: tuple[int, int] = (1, 1)) -> None:
        across, down = subsampling
        check_blocks(image_shape, 3, (BLOCK * down, BLOCK * across))
        rows, columns = image_shape[1] // BLOCK, image_shape[2] // BLOCK
        chroma = (rows // down, columns // across, BLOCK, BLOCK)
        self.image_shape = image_shape
        self.subsampling = subsampling
        self.component_shapes = [(rows, columns, BLOCK, BLOCK), chroma, chroma]
        self.output_shape = (sum(map(prod, self.component_shapes)),)
        self._colours = Constant(ycbcr_matrix())

    def __call__(self, x: Tensor) -> Tensor:
        across, down = self.subsampling
        luma, *chroma = torch.einsum("ij,bjhw->ibhw", self._colours.like(x), x)
        return self.joined([block_dct(luma), *(block_dct(avg_pool2d(c[:, None], (down, across))[:, 0]) for c in chroma)])

    def adjoint(self, y: Tensor) -> Tensor:
        across, down = self.subsampling
        luma, *chroma = (inverse_block_dct(c) for c in self.components(y))
        spread = [c.repeat_interleave(down, 1).repeat_interleave(across, 2) / (down * across) for c in chroma]
        return torch.einsum("ij,ibhw->bjhw", self._colours.like(y), torch.stack([luma, *spread]))

    def planes(self) -> Planes:
        return YCbCrPlanes(self)

    def largest_singular_value(self) -> float:
        """Exact, and the same at all frequencies: an average over n pixels takes 1 / sqrt(n) of a plane's standard deviation."""
        across, down = self.subsampling
        shares = torch.tensor([1, down * across, down * across], dtype=torch.float64).rsqrt()
        return float(torch.linalg.matrix_norm(shares[:, None] * ycbcr_matrix(), 2))

    def components(self, y: Tensor) -> list[Tensor]:
        """The coefficients of Y, Cb and Cr, (B, rows, columns, 8, 8) each."""
        parts = y.split([prod(s) for s in self.component_shapes], dim=1)
        return [part.reshape(-1, *shape) for part, shape in zip(parts, self.component_shapes, strict=True)]

    def joined(self, components: Sequence[Tensor]) -> Tensor:
        """Inverse of :meth:`components`."""
        return torch.cat([c.flatten(1) for c in components], dim=1)


class YCbCrPlanes(Planes):
    """Y, and the averaged Cb and Cr, before their block DCT."""

    def __init__(self, a: ColourBlockDCT) -> None:
        self._map = a
        across, down = a.subsampling
        self.box = (down, across)
        full = 3 if self.box == (1, 1) else 1
        self.full, self.averaged = (Constant(colours) for colours in ycbcr_matrix().split([full, 3 - full]))

    def project(self, y: Tensor) -> list[Tensor]:
        return [inverse_block_dct(c) for c in self._map.components(y)]

    def spread(self, values: Tensor) -> Tensor:
        return self._joined([v.reshape(-1, 1, 1, 1, 1) for v in values.unbind(1)])

    def variances(self, power: Sequence[Tensor]) -> Tensor:
        return self._joined([block_variances(p) for p in power])

    def _joined(self, values: Sequence[Tensor]) -> Tensor:
        shapes = self._map.component_shapes
        return self._map.joined([v.expand(-1, *s) for v, s in zip(values, shapes, strict=True)])
