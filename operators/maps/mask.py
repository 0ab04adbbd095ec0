"""Inpainting: pixels that the measurement does not see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from operators.errors import ShapeError
from operators.maps.base import Constant, LinearMap, ThinSVD
from operators.parts import PART_CONFIG, MapPart
from operators.rng import MASK, generator_for
from operators.shapes import ImageShape, matrix_of


class MaskMap(LinearMap):
    """a(x) = mask * x, ``mask`` (H, W) or (C, H, W) of zeros and ones; a hidden pixel measures 0.

    Raises :class:`ShapeError` when the mask does not fit the image.
    """

    pictures = True
    row_gram = 1.0

    def __init__(self, mask: Tensor, image_shape: ImageShape) -> None:
        if tuple(mask.shape) not in (tuple(image_shape), tuple(image_shape[1:])):
            raise ShapeError(f"expected a mask of shape {tuple(image_shape)} or {tuple(image_shape[1:])}, got {tuple(mask.shape)}")
        self.image_shape = self.output_shape = image_shape
        self._mask = Constant(mask.expand(image_shape))
        self._given = mask

    @property
    def stored(self) -> dict[str, Tensor]:
        return {"mask": self._given}

    def __call__(self, x: Tensor) -> Tensor:
        return self._mask.like(x) * x

    def adjoint(self, y: Tensor) -> Tensor:
        return self._mask.like(y) * y

    def svd(self) -> ThinSVD:
        return MaskSVD(self._mask)


class MaskSVD(ThinSVD):
    """The pixels themselves, with singular values 0 and 1."""

    def __init__(self, mask: Constant) -> None:
        self.singular_values = mask

    def project(self, x: Tensor) -> Tensor:
        return x

    def lift(self, c: Tensor) -> Tensor:
        return c

    def project_measurement(self, y: Tensor) -> Tensor:
        return y


def random_mask(shape: tuple[int, int], keep: float, generator: torch.Generator) -> Tensor:
    """Every pixel seen with probability ``keep``, independently, (H, W) float64."""
    return (torch.rand(shape, generator=generator, dtype=torch.float64) < keep).double()


@dataclass(frozen=True, config=PART_CONFIG)
class Inpainting(MapPart):
    """Pixels seen at random, each with probability ``keep``; or a given ``mask``, rows of zeros (hidden) and ones."""

    stored_by: ClassVar[Mapping[str, tuple[str, ...]]] = {"mask": ("mask", "mask_seed")}

    kind: Literal["inpainting"] = "inpainting"
    keep: Annotated[float, Field(gt=0, le=1, description="share of the pixels that are seen")] = 0.5
    mask_seed: Annotated[int, Field(ge=0, description="seed of the random mask")] = 0
    mask: Annotated[list[list[Literal[0, 1]]] | None, Field(description="the mask itself, H rows of W zeros and ones")] = None

    def build(self, image_shape: ImageShape) -> MaskMap:
        if self.mask is None:
            return MaskMap(random_mask(image_shape[1:], self.keep, generator_for(self.mask_seed, MASK)), image_shape)
        return MaskMap(matrix_of(self.mask, "mask"), image_shape)
