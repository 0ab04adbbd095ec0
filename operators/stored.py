"""Measurements in files with what they depend on: an .npz file of ``y`` and, where the physics is random, such as a mask, of that."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
import pydantic
import torch
from torch import Tensor

from operators.catalogue import build
from operators.errors import MeasurementError, ShapeError, StoredMismatchError
from operators.model import ForwardModel
from operators.shapes import ImageShape

MEASUREMENT = "y"
Arrays = Mapping[str, np.ndarray]
FilePath = str | os.PathLike[str]


def save_measurement(file: FilePath | IO[bytes], model: ForwardModel, y: Tensor) -> None:
    """Write one measurement of ``model`` and the arrays of ``model.stored`` as an .npz file, which holds no pickle.

    Raises :class:`operators.OperatorError` when ``y`` is no measurement of ``model``, and ``OSError``.
    """
    model.check_measurement(y)
    arrays = {MEASUREMENT: y, **model.stored}
    with open(file, "wb") if isinstance(file, str | os.PathLike) else nullcontext(file) as stream:
        np.savez(stream, **{name: value.cpu().numpy() for name, value in arrays.items()})  # type: ignore[arg-type]  # none is an option


def load_measurement(file: FilePath, name: str, parameters: Mapping[str, Any], image_shape: ImageShape) -> tuple[ForwardModel, Tensor]:
    """The forward model, with the arrays that :func:`save_measurement` kept, and the measurement.

    ``name``, ``parameters`` and ``image_shape`` are those of :func:`operators.build`. Raises what it and :func:`with_stored` raise,
    :class:`operators.OperatorError` for a file that holds no measurement of the model, and ``OSError``.
    """
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = dict(archive)
        y = torch.from_numpy(arrays.pop(MEASUREMENT))
    except (KeyError, TypeError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise MeasurementError(f"expected an .npz file of numbers with an array {MEASUREMENT!r}, got {Path(file).name}: {error}") from error
    if not y.is_floating_point():
        raise MeasurementError(f"expected floating point numbers in the array {MEASUREMENT!r} of {Path(file).name}, got {y.dtype}")
    model = build(name, with_stored(name, parameters, image_shape, arrays), image_shape)
    model.check_measurement(y)
    return model, y


def with_stored(name: str, parameters: Mapping[str, Any], image_shape: ImageShape, arrays: Arrays) -> dict[str, Any]:
    """``parameters`` of the forward model ``name`` with the ``arrays`` of a measurement's file in them, but for those it does not know.

    An array that the parameters choose too must be the same. Raises :class:`operators.StoredMismatchError` when it is another,
    :class:`operators.ShapeError` or :class:`operators.MeasurementError` for one that cannot be used, and what :func:`operators.build` does.
    """
    model, found = build(name, parameters, image_shape), dict(parameters)
    for key, fields in model.stored_by.items():
        if key not in arrays:
            continue
        _check(key, arrays[key], tuple(model.stored[key].shape))
        given = [field for field in fields if _is_given(parameters, field.split("."))]
        if given:
            _compare(key, arrays[key], model.stored[key].numpy(), {field: _get(parameters, field.split(".")) for field in given})
        else:
            found = _put(found, fields[0].split("."), _rows(arrays[key]))
            _try(key, name, found, image_shape)
    return found


def _check(key: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.dtype.kind not in "biuf":
        raise MeasurementError(f"expected real numbers in the {key} of the measurement's file, got {array.dtype}")
    if array.shape != shape:
        raise ShapeError(f"expected a {key} of shape {shape} in the measurement's file, got {array.shape}")
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise MeasurementError(f"expected finite numbers in the {key} of the measurement's file, got {bad} of {array.size} that are not")


def _compare(key: str, array: np.ndarray, expected: np.ndarray, given: Mapping[str, Any]) -> None:
    differ = int((array != expected).sum())
    if differ:
        words = " and ".join(
            f"{field} = {value!r}" if isinstance(value, str | int) else f"the given {field}" for field, value in given.items()
        )
        raise StoredMismatchError(
            f"the {key} of {words} and the {key} in the measurement's file differ in {differ} of {array.size} values; "
            f"leave out {' and '.join(given)} to use the file's",
            next(iter(given)),
        )


def _try(key: str, name: str, parameters: Mapping[str, Any], image_shape: ImageShape) -> None:
    """See that the model takes the array; all else is known to be right."""
    try:
        build(name, parameters, image_shape)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise MeasurementError(f"the {key} in the measurement's file cannot be used: {first['msg']}, got {first['input']!r}") from error


def _rows(array: np.ndarray) -> list[Any]:
    """The array as nested lists, of integers where it holds nothing else."""
    whole = array.dtype.kind != "f" or bool((array == np.rint(array)).all() and (np.abs(array) < 2**53).all())
    return array.astype(np.int64).tolist() if whole else array.astype(np.float64).tolist()


def _get(parameters: Any, path: list[str]) -> Any:
    """The parameter at ``path``; a part given as an object counts as a whole."""
    for field in path:
        if not isinstance(parameters, Mapping):
            break
        parameters = parameters.get(field)
    return parameters


def _is_given(parameters: Mapping[str, Any], path: list[str]) -> bool:
    return _get(parameters, path) is not None


def _put(parameters: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    first, *rest = path
    return {**parameters, first: _put(parameters[first], rest, value) if rest else value}
