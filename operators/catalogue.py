"""The catalogue: every named forward model found in ``operators/models/``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter

import operators.models
from operators.errors import UnknownOperatorError
from operators.model import ForwardModel
from operators.shapes import ImageShape


@cache
def _catalogue() -> dict[str, type[ForwardModel]]:
    found: dict[str, type[ForwardModel]] = {}
    for module in pkgutil.iter_modules(operators.models.__path__):
        contents = vars(importlib.import_module(f"{operators.models.__name__}.{module.name}"))
        for value in contents.values():
            if isinstance(value, type) and issubclass(value, ForwardModel) and value.name:
                found[value.name] = value
    return dict(sorted(found.items()))


def names() -> list[str]:
    """The names of the catalogue."""
    return list(_catalogue())


def model_class(name: str) -> type[ForwardModel]:
    """The forward model of that name. Raises :class:`operators.UnknownOperatorError`, which lists the known ones."""
    try:
        return _catalogue()[name]
    except KeyError:
        raise UnknownOperatorError(f"unknown operator {name!r}; known: {', '.join(names())}") from None


def summary(name: str) -> str:
    """One line that says what the forward model is."""
    return model_class(name).summary


def schema(name: str) -> dict[str, Any]:
    """JSON Schema of the parameters; ``image_shape`` is left out because the prior has it."""
    full = TypeAdapter(model_class(name)).json_schema()
    full["properties"].pop("image_shape")
    required = [key for key in full.get("required", []) if key != "image_shape"]
    return {**{k: v for k, v in full.items() if k != "required"}, **({"required": required} if required else {})}


def build(name: str, parameters: Mapping[str, Any], image_shape: ImageShape) -> ForwardModel:
    """The forward model ``name`` for images of ``image_shape``.

    Raises :class:`operators.UnknownOperatorError`, ``pydantic.ValidationError`` for a bad parameter (with its path), or
    :class:`operators.ShapeError` when the parameters do not fit the image.
    """
    values = {**parameters, "image_shape": tuple(image_shape)}
    return TypeAdapter(model_class(name)).validate_python(values)
