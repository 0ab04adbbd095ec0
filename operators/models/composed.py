"""Any map with any noise model."""

from __future__ import annotations

from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

from pydantic import Field
from pydantic.dataclasses import dataclass

import operators.maps
import operators.noise
from operators.maps import Map
from operators.maps.chain import chain
from operators.maps.identity import Identity
from operators.model import MODEL_CONFIG, ForwardModel
from operators.noise import NoiseModel
from operators.noise.gaussian import Gaussian
from operators.parts import MapPart, NoisePart, find_parts
from operators.shapes import ImageShape

if TYPE_CHECKING:
    AnyMap: TypeAlias = MapPart
    AnyNoise: TypeAlias = NoisePart
else:
    AnyMap = reduce(or_, find_parts(operators.maps, MapPart))
    AnyNoise = reduce(or_, find_parts(operators.noise, NoisePart))


@dataclass(frozen=True, config=MODEL_CONFIG)
class Composed(ForwardModel):
    """y ~ p(. | a(x)) with the map a named by ``physics`` and the noise model by ``observation``, each with a ``kind`` and parameters.

    ``image_shape`` (C, H, W). Raises :class:`operators.ShapeError` when the parts do not fit the image or each other.
    """

    name: ClassVar[str] = "composed"
    summary: ClassVar[str] = "Any map (blur, inpainting, downsampling, ...) with any noise model (Gaussian, Poisson, quantised, JPEG)"

    image_shape: ImageShape
    physics: Annotated[AnyMap, Field(discriminator="kind", description='the map, such as {"kind": "blur", "std": 2}')] = Field(
        default_factory=Identity
    )
    observation: Annotated[
        AnyNoise, Field(discriminator="kind", description='the noise model, such as {"kind": "poisson", "peak": 30}')
    ] = Field(default_factory=Gaussian)

    def __post_init__(self) -> None:
        _ = self.map

    @property
    def stored_by(self) -> dict[str, tuple[str, ...]]:
        """What the physics was drawn from."""
        return {name: tuple(f"physics.{field}" for field in fields) for name, fields in self.physics.stored_by.items()}

    @cached_property
    def _physics(self) -> Map:
        return self.physics.build(self.image_shape)

    @cached_property
    def map(self) -> Map:
        """The physics, and what the noise model wants before it."""
        front = self.observation.front(self._physics)
        return self._physics if front is None else chain(self._physics, front)

    @cached_property
    def noise(self) -> NoiseModel:
        """The noise model."""
        return self.observation.build(self._physics.output_shape)
