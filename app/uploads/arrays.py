"""NumPy files: the header is read, bounded and judged before the numbers are."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.lib import format as npy

from app.uploads.errors import TooManyPixelsError, UnreadableFileError, UploadError

MAX_HEADER_BYTES = 4096
MAX_NDIM = 8
MAX_ITEM_BYTES = 8
MAX_ZIP_ENTRIES = 64
MEASUREMENT_NAMES = ("y", "measurement")


def decode_npy(content: bytes, max_pixels: int) -> np.ndarray:
    """A .npy file as float32; bool and uint8 are scaled to -1..1. Raises :class:`app.uploads.UploadError`."""
    return _to_float(_numbers(content, max_pixels))


def _numbers(content: bytes, max_pixels: int) -> np.ndarray:
    """The numbers of a .npy file as they are, read-only."""
    stream = io.BytesIO(content)
    shape, fortran, dtype = _header(stream)
    if dtype.hasobject:
        raise UnreadableFileError("expected an array of numbers, got one of pickled Python objects, which are never loaded")
    if dtype.kind not in "biuf" or dtype.itemsize > MAX_ITEM_BYTES:
        raise UnreadableFileError(f"expected an array of real numbers, got dtype {dtype}")
    size = math.prod(shape)
    if size > max_pixels:
        raise TooManyPixelsError(f"expected at most {max_pixels} numbers, got an array of shape {shape}: {size} numbers")
    payload = content[stream.tell() :]
    if len(payload) != size * dtype.itemsize:
        raise UnreadableFileError(
            f"the .npy file is truncated or padded: its header (shape {shape}, {dtype}) asks for {size * dtype.itemsize} bytes, "
            f"got {len(payload)}"
        )
    return np.frombuffer(payload, dtype).reshape(shape, order="F" if fortran else "C")


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = npy.read_magic(stream)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in readers:
            raise ValueError(f"format version {version} is not 1.0 or 2.0")
        shape, fortran, dtype = readers[version](stream, max_header_size=MAX_HEADER_BYTES)
    except Exception as error:  # the header is a Python literal: a hostile one fails in many ways
        raise UnreadableFileError(f"the .npy header cannot be read: {error}") from error
    if len(shape) > MAX_NDIM or any(n < 0 for n in shape):
        raise UnreadableFileError(f"expected at most {MAX_NDIM} dimensions of non-negative size, got shape {shape}")
    return shape, fortran, dtype


def _to_float(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.bool_:
        return np.array(array, dtype=np.float32, order="C") * 2 - 1
    if array.dtype == np.uint8:
        return np.array(array, dtype=np.float32, order="C") / np.float32(127.5) - 1
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which the forward model refuses
        return np.array(array, dtype=np.float32, order="C")  # a copy: the upload's bytes are read-only


def decode_npz(content: bytes, max_pixels: int, stored: Sequence[str] = ()) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The array of an .npz file: its only one, or the one named y or measurement; and those that are named in ``stored``, where there
    are such beside it, as float64 without scaling. All together have at most ``max_pixels`` numbers.
    Raises :class:`app.uploads.UploadError`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = _entries(archive)
            chosen = _measurement_name(list(entries))
            array = decode_npy(_member(archive, entries[chosen], max_pixels), max_pixels)
            beside, room = {}, max_pixels - array.size
            for name in stored:
                if name in entries and name != chosen:
                    beside[name] = _stored(archive, entries[name], room)
                    room -= beside[name].size
            return array, beside
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"the .npz file cannot be read: {error}") from error


def _entries(archive: zipfile.ZipFile) -> dict[str, str]:
    """The entries of the archive by the names of their arrays; of two with one name the first."""
    entries = archive.namelist()
    if len(entries) > MAX_ZIP_ENTRIES:
        raise UnreadableFileError(f"expected one array, or one named y or measurement, got {len(entries)}")
    return {entry.removesuffix(".npy"): entry for entry in reversed(entries)}


def _measurement_name(names: list[str]) -> str:
    wanted = [name for name in MEASUREMENT_NAMES if name in names] or names
    if len(wanted) != 1 and len(names) != 1:
        raise UnreadableFileError(f"expected one array, or one named y or measurement, got {', '.join(names[::-1]) or 'none'}")
    return wanted[0]


def _stored(archive: zipfile.ZipFile, entry: str, max_pixels: int) -> np.ndarray:
    try:
        return np.array(_numbers(_member(archive, entry, max_pixels), max_pixels), dtype=np.float64, order="C")
    except UploadError as error:
        raise type(error)(f"{entry} in the .npz file: {error}") from error


def _member(archive: zipfile.ZipFile, entry: str, max_pixels: int) -> bytes:
    limit = max_pixels * MAX_ITEM_BYTES + MAX_HEADER_BYTES
    with archive.open(entry) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise TooManyPixelsError(f"expected an array of at most {max_pixels} numbers, got more than {limit} decompressed bytes")
    if not content.startswith(b"\x93NUMPY"):
        raise UnreadableFileError(f"expected an array in the .npz file, got {entry.removesuffix('.npy')!r}, which is none")
    return content
