"""The linear part of JPEG for grey images: the orthonormal discrete cosine transform of 8x8 blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from operators.errors import ShapeError
from operators.maps.base import Constant, LinearMap, Planes, ThinSVD
from operators.maps.planes import ChannelPlanes
from operators.shapes import ImageShape

BLOCK = 8


def dct_matrix() -> Tensor:
    """Orthonormal DCT-II of 8 samples, float64 (8 frequencies, 8 samples)."""
    frequency, sample = torch.arange(BLOCK, dtype=torch.float64)[:, None], torch.arange(BLOCK, dtype=torch.float64)
    cosines = torch.cos(math.pi * (sample + 0.5) * frequency / BLOCK)
    return cosines * torch.where(frequency == 0, math.sqrt(1 / BLOCK), math.sqrt(2 / BLOCK))


_DCT = Constant(dct_matrix())


def block_dct(plane: Tensor) -> Tensor:
    """(B, H, W) -> (B, H / 8, W / 8, 8, 8), indexed by vertical, then horizontal frequency."""
    batch, height, width = plane.shape
    blocks = plane.reshape(batch, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(2, 3)
    d = _DCT.like(plane)
    return d @ blocks @ d.T


def inverse_block_dct(coefficients: Tensor) -> Tensor:
    """(B, rows, columns, 8, 8) -> (B, 8 rows, 8 columns): inverse and adjoint of :func:`block_dct`."""
    batch, rows, columns = coefficients.shape[:3]
    d = _DCT.like(coefficients)
    return (d.T @ coefficients @ d).transpose(2, 3).reshape(batch, rows * BLOCK, columns * BLOCK)


def block_variances(power: Tensor) -> Tensor:
    """The variances (B, 1, 1, 8, 8) of the block DCT of stationary images with the power spectra ``power`` (B, H, W), orthonormal FFT."""
    weights = _basis_power(*power.shape[1:]).like(power)
    return torch.einsum("bhw,uvhw->buv", power, weights)[:, None, None]


@lru_cache(maxsize=8)
def _basis_power(height: int, width: int) -> Constant:
    """|spectrum|² of each of the 64 basis images, (8, 8, H, W), each with the sum 1."""
    d = dct_matrix()
    basis = torch.zeros(BLOCK, BLOCK, height, width, dtype=torch.float64)
    basis[..., :BLOCK, :BLOCK] = torch.einsum("up,vq->uvpq", d, d)
    return Constant(torch.fft.fft2(basis, norm="ortho").abs().square())


def check_blocks(image_shape: ImageShape, channels: int, unit: tuple[int, int]) -> None:
    """Raise :class:`ShapeError` unless the image has ``channels`` channels and sides (H, W) that ``unit`` divides."""
    c, h, w = image_shape
    if c != channels or h % unit[0] or w % unit[1]:
        raise ShapeError(f"expected images of shape ({channels}, H, W) with H and W multiples of {unit[0]} and {unit[1]}, got {(c, h, w)}")


class BlockDCT(LinearMap):
    """a(x) = the 8x8 block DCT of a grey image (1, H, W), shape (H / 8, W / 8, 8, 8).

    Orthonormal, so that coefficients keep the image's units: 1 in [-1, 1] scale is 127.5 grey levels. Raises :class:`ShapeError`
    when 8 does not divide the sides.
    """

    row_gram = 1.0

    def __init__(self, image_shape: ImageShape) -> None:
        check_blocks(image_shape, 1, (BLOCK, BLOCK))
        self.image_shape = image_shape
        self.output_shape = (image_shape[1] // BLOCK, image_shape[2] // BLOCK, BLOCK, BLOCK)

    def __call__(self, x: Tensor) -> Tensor:
        return block_dct(x[:, 0])

    def adjoint(self, y: Tensor) -> Tensor:
        return inverse_block_dct(y)[:, None]

    def svd(self) -> ThinSVD:
        return OrthonormalSVD(self)

    def planes(self) -> Planes:
        return BlockPlanes(self)

    def components(self, y: Tensor) -> list[Tensor]:
        """The coefficients of every colour component, (B, rows, columns, 8, 8) each."""
        return [y]

    def joined(self, components: Sequence[Tensor]) -> Tensor:
        """Inverse of :meth:`components`."""
        return components[0]


class BlockPlanes(ChannelPlanes):
    """The grey image, before its block DCT."""

    def variances(self, power: Sequence[Tensor]) -> Tensor:
        """Of every frequency its own."""
        return block_variances(power[0])


class OrthonormalSVD(ThinSVD):
    """A = I 1 A for a square orthonormal A."""

    def __init__(self, a: LinearMap) -> None:
        self._map = a
        self.singular_values = Constant(torch.ones(a.output_shape))

    def project(self, x: Tensor) -> Tensor:
        return self._map(x)

    def lift(self, c: Tensor) -> Tensor:
        return self._map.adjoint(c)

    def project_measurement(self, y: Tensor) -> Tensor:
        return y
