"""Any linear map, as a matrix on the flattened image."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from operators.errors import ShapeError
from operators.maps.base import Constant, LinearMap, ThinSVD
from operators.parts import PART_CONFIG, MapPart
from operators.shapes import ImageShape, matrix_of


class DenseMap(LinearMap):
    """a(x) = M x.flatten(), ``matrix`` (m, C H W). Raises :class:`ShapeError` when the columns do not fit the image."""

    def __init__(self, matrix: Tensor, image_shape: ImageShape) -> None:
        if matrix.ndim != 2 or matrix.shape[1] != prod(image_shape):
            expected = f"(m, {prod(image_shape)}) for images {tuple(image_shape)}"
            raise ShapeError(f"expected a matrix of shape {expected}, got {tuple(matrix.shape)}")
        self.image_shape = image_shape
        self.output_shape = (matrix.shape[0],)
        self._matrix = Constant(matrix)

    def __call__(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self._matrix.like(x).T

    def adjoint(self, y: Tensor) -> Tensor:
        return (y @ self._matrix.like(y)).reshape(-1, *self.image_shape)

    def svd(self) -> ThinSVD:
        return self._svd

    @cached_property
    def _svd(self) -> DenseSVD:
        return DenseSVD(self._matrix.value, self.image_shape)


class DenseSVD(ThinSVD):
    """LAPACK's thin SVD of a matrix on the flattened image."""

    def __init__(self, matrix: Tensor, image_shape: ImageShape) -> None:
        u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
        self._image_shape = image_shape
        self._u, self.singular_values, self._vt = Constant(u), Constant(s), Constant(vt)

    def project(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self._vt.like(x).T

    def lift(self, c: Tensor) -> Tensor:
        return (c @ self._vt.like(c)).reshape(-1, *self._image_shape)

    def project_measurement(self, y: Tensor) -> Tensor:
        return y @ self._u.like(y)


@dataclass(frozen=True, config=PART_CONFIG)
class Matrix(MapPart):
    """Any matrix on the flattened image: rows of C H W numbers."""

    rows: Annotated[list[list[float]], Field(min_length=1, description="the matrix, row by row")]
    kind: Literal["matrix"] = "matrix"

    def build(self, image_shape: ImageShape) -> DenseMap:
        return DenseMap(matrix_of(self.rows, "a matrix"), image_shape)
