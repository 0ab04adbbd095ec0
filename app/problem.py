"""A spec made into objects: the forward model and the sampler, or the errors of its fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import numpy as np
import pydantic
import torch
from torch import Tensor

import dpnp
import operators
from app.jobs import Named, ProblemSpec
from app.uploads import Decoded
from dpnp.samplers import Sampler
from operators import ForwardModel

SpecT = TypeVar("SpecT", bound=ProblemSpec)


@dataclass(frozen=True)
class FieldError:
    """What is wrong with the field at ``path``, such as ``operator.factor``."""

    path: str
    message: str


class SpecError(ValueError):
    """A spec that cannot be run; ``errors`` has one entry per bad field."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.path}: {error.message}" for error in errors))
        self.errors = list(errors)


def parse_spec(text: str | bytes, kind: type[SpecT]) -> SpecT:
    """The spec in ``text``, JSON. Raises :class:`SpecError`."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()  # refuses 1e999 and half surrogates too
    except (ValueError, RecursionError) as error:
        raise SpecError([FieldError("spec", f"expected a JSON object: {error}")]) from error
    try:
        return kind.model_validate(value)
    except pydantic.ValidationError as error:
        raise SpecError(field_errors(error, "")) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def field_errors(error: pydantic.ValidationError, prefix: str) -> list[FieldError]:
    """Pydantic's errors as paths and messages."""
    return [FieldError(_path(prefix, e["loc"]), e["msg"]) for e in error.errors(include_url=False, include_context=False)]


def _path(prefix: str, loc: tuple[int | str, ...]) -> str:
    return ".".join(part for part in (prefix, *map(str, loc)) if part) or "spec"


def build_model(spec: Named, image_shape: tuple[int, int, int], stored: Mapping[str, np.ndarray] | None = None) -> ForwardModel:
    """The forward model of ``spec`` for a prior's images, with what was ``stored`` beside the measurement, such as a mask.

    Raises :class:`SpecError`, and ``operators.OperatorError`` for a stored array that cannot be used.
    """
    if "image_shape" in spec.parameters:
        raise SpecError([FieldError("operator.image_shape", "is the prior's and cannot be given")])
    model = _build(spec.name, spec.parameters, image_shape)
    if not stored:
        return model
    try:
        return _build(spec.name, operators.with_stored(spec.name, spec.parameters, image_shape, stored), image_shape)
    except operators.StoredMismatchError as error:
        raise SpecError([FieldError(f"operator.{error.parameter}", str(error))]) from error


def _build(name: str, parameters: dict[str, Any], image_shape: tuple[int, int, int]) -> ForwardModel:
    try:
        return operators.build(name, parameters, image_shape)
    except operators.UnknownOperatorError as error:
        raise SpecError([FieldError("operator.name", str(error))]) from error
    except pydantic.ValidationError as error:
        raise SpecError(field_errors(error, "operator")) from error
    except operators.ShapeError as error:
        raise SpecError([FieldError("operator", str(error))]) from error


@dataclass(frozen=True)
class FileMeasurement:
    """What a measurement's file tells."""

    operator: Named
    """With the parameters that are in the file."""
    array: np.ndarray
    stored: dict[str, np.ndarray] = field(default_factory=dict)
    """For :func:`build_model`."""


def read_measurement(
    spec: Named, content: bytes, image_shape: tuple[int, int, int], decode: Callable[[bytes, Sequence[str]], Decoded]
) -> FileMeasurement:
    """The measurement in a file; ``decode`` reads files of general kinds, with the arrays of the given names beside the measurement.

    Raises :class:`SpecError`, ``operators.OperatorError`` for a file that only the operator reads, and what ``decode`` raises.
    """
    model = build_model(spec, image_shape)
    special = operators.model_class(spec.name).read_file(content, image_shape)
    if special is None:
        found = decode(content, tuple(model.stored_by))
        return FileMeasurement(spec, model.unpack(torch.from_numpy(found.array)).numpy(), found.stored)
    array, parameters = special
    return FileMeasurement(spec.model_copy(update=parameters), array.numpy())


def build_sampler(spec: Named) -> Sampler:
    """The sampler of ``spec``. Raises :class:`SpecError`."""
    try:
        return dpnp.samplers.build(spec.name, spec.parameters)
    except dpnp.UnknownSamplerError as error:
        raise SpecError([FieldError("sampler.name", str(error))]) from error
    except pydantic.ValidationError as error:
        raise SpecError(field_errors(error, "sampler")) from error


class _ShapeOnly:
    """A prior that cannot denoise: enough to see whether a sampler and a model go together."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        self.image_shape = image_shape

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Never called."""
        raise NotImplementedError


def steps_of(sampler: Sampler, model: ForwardModel, y: np.ndarray) -> int:
    """How many steps the sampler takes on this problem. Raises :class:`SpecError` when it cannot be used on it."""
    try:
        return sampler.kernel(_ShapeOnly(model.image_shape), model, torch.from_numpy(y)).total
    except dpnp.UnsupportedError as error:
        raise SpecError([FieldError("sampler", str(error))]) from error


def resolved(spec: Named, parameters: dict[str, Any]) -> dict[str, Any]:
    """Name and all parameters, defaults included."""
    return {"name": spec.name, **parameters}
