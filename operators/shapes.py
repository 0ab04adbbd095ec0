"""Shapes of images and measurements, checked in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from operators.errors import ShapeError

Size = Annotated[int, Field(ge=1)]
ImageShape = tuple[Size, Size, Size]
Shape = tuple[int, ...]


def matrix_of(rows: Sequence[Sequence[float]], what: str) -> Tensor:
    """Rows of numbers as a float64 matrix. Raises :class:`ShapeError` when they are not equally long."""
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or 0 in lengths:
        raise ShapeError(f"expected {what} as rows of equal length, got rows of lengths {sorted(lengths)}")
    return torch.tensor([list(row) for row in rows], dtype=torch.float64)


def batched(x: Tensor, shape: Shape, what: str) -> Tensor:
    """``x`` as (B, *shape), adding the batch axis when it is absent. Raises :class:`ShapeError` with both shapes."""
    if tuple(x.shape) == tuple(shape):
        return x[None]
    if tuple(x.shape[1:]) == tuple(shape):
        return x
    raise ShapeError(f"expected {what} of shape {tuple(shape)}, alone or in a batch, got {tuple(x.shape)}")
