"""The samplers by name, as ``operators.catalogue`` does for forward models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from dpnp.baselines import DPS, LGDMC
from dpnp.errors import UnknownSamplerError
from dpnp.samplers.base import Sampler
from dpnp.samplers.dpnp import DPnP

SAMPLERS: dict[str, type[Sampler]] = {cls.name: cls for cls in (DPnP, DPS, LGDMC)}


def names() -> list[str]:
    """The names of the catalogue."""
    return list(SAMPLERS)


def sampler_class(name: str) -> type[Sampler]:
    """The sampler of that name. Raises :class:`dpnp.UnknownSamplerError`, which lists the known ones."""
    if name not in SAMPLERS:
        raise UnknownSamplerError(f"unknown sampler {name!r}; known: {', '.join(SAMPLERS)}")
    return SAMPLERS[name]


def summary(name: str) -> str:
    """One line that says what the sampler is."""
    return sampler_class(name).summary


def schema(name: str) -> dict[str, Any]:
    """JSON Schema of the sampler's parameters."""
    return TypeAdapter(sampler_class(name)).json_schema()


def build(name: str, parameters: Mapping[str, Any]) -> Sampler:
    """The sampler ``name``. Raises :class:`dpnp.UnknownSamplerError`, or ``pydantic.ValidationError`` with the parameter's path."""
    return TypeAdapter(sampler_class(name)).validate_python(dict(parameters))
