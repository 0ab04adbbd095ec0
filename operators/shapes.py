"""Shapes of images and measurements, checked in one place."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from operators.errors import ShapeError

Size = Annotated[int, Field(ge=1)]
ImageShape = tuple[Size, Size, Size]
Shape = tuple[int, ...]


def batched(x: Tensor, shape: Shape, what: str) -> Tensor:
    """``x`` as (B, *shape), adding the batch axis when it is absent. Raises :class:`ShapeError` with both shapes."""
    if tuple(x.shape) == tuple(shape):
        return x[None]
    if tuple(x.shape[1:]) == tuple(shape):
        return x
    raise ShapeError(f"expected {what} of shape {tuple(shape)}, alone or in a batch, got {tuple(x.shape)}")
