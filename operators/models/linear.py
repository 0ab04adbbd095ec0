"""Any linear model with Gaussian noise, given as a matrix."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import torch
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from operators.maps import DenseMap
from operators.model import MODEL_CONFIG, ForwardModel
from operators.noise import GaussianNoise
from operators.shapes import ImageShape


def _as_matrix(value: object) -> Tensor:
    matrix = torch.as_tensor(value, dtype=torch.float64)
    if not torch.isfinite(matrix).all():
        raise ValueError("expected a matrix of finite numbers, got NaN or infinity")
    return matrix


@dataclass(frozen=True, config=MODEL_CONFIG)
class Linear(ForwardModel):
    """y = M x.flatten() + noise_std e, ``matrix`` (m, C H W) an array or a tensor.

    Raises :class:`operators.ShapeError` when the matrix does not fit ``image_shape``.
    """

    matrix: Annotated[Tensor, BeforeValidator(_as_matrix)]
    noise_std: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    image_shape: ImageShape

    def __post_init__(self) -> None:
        _ = self.map

    @cached_property
    def map(self) -> DenseMap:
        """The matrix."""
        return DenseMap(self.matrix, self.image_shape)

    @cached_property
    def noise(self) -> GaussianNoise:
        """White Gaussian noise."""
        return GaussianNoise(self.noise_std)
