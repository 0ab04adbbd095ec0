"""Measurements and images as they are uploaded: whole, so that a retry can send them again."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike

from dpnp_client.errors import InvalidMeasurementError

Measurement = str | os.PathLike[str] | IO[bytes] | ArrayLike | Mapping[str, ArrayLike]


@dataclass(frozen=True)
class Upload:
    """A file's name and contents; the service looks at the contents for the format."""

    name: str
    content: bytes


def read_upload(measurement: Measurement) -> Upload:
    """The upload of a path (.npy, .npz, .png, .jpg, .tif), an open binary file, an array, or arrays by name, in [-1, 1] scale.

    Raises :class:`InvalidMeasurementError` when it is none of these or cannot be read.
    """
    if isinstance(measurement, str | os.PathLike):
        return _from_path(Path(measurement))
    if isinstance(measurement, bytes | bytearray | memoryview):
        return Upload("measurement", bytes(measurement))
    if hasattr(measurement, "read"):
        return _from_file(measurement)
    if isinstance(measurement, Mapping):
        return Upload("measurement.npz", arrays_to_npz(measurement))
    return Upload("measurement.npy", array_to_npy(measurement))


def array_to_npy(values: Any) -> bytes:
    """The bytes of a .npy file. Raises :class:`InvalidMeasurementError` for anything but real numbers."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidMeasurementError(f"expected a path, a binary file or an array, got {type(values).__name__}: {error}") from error
    if array.dtype.kind not in "biuf":
        raise InvalidMeasurementError(
            f"expected a path, a binary file or an array of real numbers, got {type(values).__name__} of {array.dtype}"
        )
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def arrays_to_npz(arrays: Mapping[str, Any]) -> bytes:
    """The bytes of an .npz file, the same for the same arrays. Raises :class:`InvalidMeasurementError` for what is no array."""
    if not arrays or not all(isinstance(name, str) for name in arrays):
        raise InvalidMeasurementError(f"expected arrays by name, such as y and mask, got {list(arrays) or 'none'}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, values in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), array_to_npy(values))
    return buffer.getvalue()


def _from_path(path: Path) -> Upload:
    try:
        return Upload(path.name, path.read_bytes())
    except OSError as error:
        raise InvalidMeasurementError(f"cannot read {path}: {error.strerror or error}") from error


def _from_file(file: Any) -> Upload:
    content = file.read()
    if not isinstance(content, bytes):
        raise InvalidMeasurementError(f"expected a file opened in binary mode ('rb'), its read() gave {type(content).__name__}")
    name = getattr(file, "name", None)
    return Upload(Path(name).name if isinstance(name, str) else "measurement", content)
