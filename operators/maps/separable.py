"""Linear maps that act on rows and columns apart: A x = R x K^T in every channel."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from operators.maps.base import Constant, LinearMap, ThinSVD
from operators.shapes import ImageShape


class SeparableMap(LinearMap):
    """a(x) = ``rows`` x ``columns``^T for every channel, ``rows`` (h, H) and ``columns`` (w, W).

    Its SVD is the Kronecker product of two small ones, so an exact posterior draw costs four small matrix products.
    """

    pictures = True

    def __init__(self, rows: Tensor, columns: Tensor, channels: int) -> None:
        self.image_shape: ImageShape = (channels, rows.shape[1], columns.shape[1])
        self.output_shape = (channels, rows.shape[0], columns.shape[0])
        self._rows, self._columns = Constant(rows), Constant(columns)

    def __call__(self, x: Tensor) -> Tensor:
        return self._rows.like(x) @ x @ self._columns.like(x).T

    def adjoint(self, y: Tensor) -> Tensor:
        return self._rows.like(y).T @ y @ self._columns.like(y)

    def svd(self) -> ThinSVD:
        return self._svd

    @cached_property
    def _svd(self) -> SeparableSVD:
        return SeparableSVD(self._rows.value, self._columns.value, self.image_shape[0])


class SeparableSVD(ThinSVD):
    """Kronecker product of the SVDs of rows and columns; coefficients are (B, C, rank of rows, rank of columns)."""

    def __init__(self, rows: Tensor, columns: Tensor, channels: int) -> None:
        (ur, sr, vrt), (uc, sc, vct) = (torch.linalg.svd(m, full_matrices=False) for m in (rows, columns))
        self._ur, self._vrt, self._uc, self._vct = Constant(ur), Constant(vrt), Constant(uc), Constant(vct)
        self.singular_values = Constant(torch.outer(sr, sc).expand(channels, -1, -1).clone())

    def project(self, x: Tensor) -> Tensor:
        return self._vrt.like(x) @ x @ self._vct.like(x).T

    def lift(self, c: Tensor) -> Tensor:
        return self._vrt.like(c).T @ c @ self._vct.like(c)

    def project_measurement(self, y: Tensor) -> Tensor:
        return self._ur.like(y).T @ y @ self._uc.like(y)
