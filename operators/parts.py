"""The parts from which a forward model is composed: maps and noise models by name, with their parameters."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import ConfigDict

if TYPE_CHECKING:
    from operators.maps.base import LinearMap, Map
    from operators.noise.base import NoiseModel
    from operators.shapes import ImageShape, Shape

PART_CONFIG = ConfigDict(extra="forbid")


class MapPart(ABC):
    """A map's parameters: a frozen pydantic dataclass with a ``kind`` in ``operators/maps/``."""

    stored_by: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Of the map's ``stored`` arrays, the parameters that choose each; the first takes it as rows of numbers."""

    kind: str

    @abstractmethod
    def build(self, image_shape: ImageShape) -> Map:
        """The map on images of ``image_shape``. Raises :class:`operators.ShapeError` when the parameters do not fit."""


class NoisePart(ABC):
    """A noise model's parameters: a frozen pydantic dataclass with a ``kind`` in ``operators/noise/``."""

    kind: str

    @abstractmethod
    def build(self, shape: Shape) -> NoiseModel:
        """The noise model of signals of ``shape``, before :meth:`front`."""

    def front(self, physics: Map) -> LinearMap | None:
        """A linear map on what ``physics`` puts out that belongs to the noise model and stands before it, or None.

        Raises :class:`operators.ShapeError` when the noise model is of other signals.
        """
        return None


PartT = TypeVar("PartT")


def find_parts(package: ModuleType, base: type[PartT]) -> tuple[type[PartT], ...]:
    """All classes derived from ``base`` in the modules of ``package``, by kind."""
    found: dict[str, type[PartT]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        contents: dict[str, Any] = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
        for value in contents.values():
            if isinstance(value, type) and issubclass(value, base) and value is not base:
                found[str(value.kind)] = value  # type: ignore[attr-defined]  # every part has a kind
    return tuple(found[kind] for kind in sorted(found))
