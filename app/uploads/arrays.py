"""NumPy files: the header is read, bounded and judged before the numbers are."""

from __future__ import annotations

import io
import math
import zipfile
import zlib

import numpy as np
from numpy.lib import format as npy

from app.uploads.errors import TooManyPixelsError, UnreadableFileError

MAX_HEADER_BYTES = 4096
MAX_NDIM = 8
MAX_ITEM_BYTES = 8
MAX_ZIP_ENTRIES = 64
MEASUREMENT_NAMES = ("y", "measurement")


def decode_npy(content: bytes, max_pixels: int) -> np.ndarray:
    """A .npy file as float32; bool and uint8 are scaled to -1..1. Raises :class:`app.uploads.UploadError`."""
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
    array = np.frombuffer(payload, dtype).reshape(shape, order="F" if fortran else "C")
    return _to_float(array)


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


def decode_npz(content: bytes, max_pixels: int) -> np.ndarray:
    """The array of an .npz file: its only one, or the one named y or measurement. Raises :class:`app.uploads.UploadError`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return decode_npy(_member(archive, max_pixels), max_pixels)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"the .npz file cannot be read: {error}") from error


def _member(archive: zipfile.ZipFile, max_pixels: int) -> bytes:
    entries = archive.namelist()
    names = [name.removesuffix(".npy") for name in entries]
    if len(entries) > MAX_ZIP_ENTRIES:
        raise UnreadableFileError(f"expected one array, or one named y or measurement, got {len(entries)}")
    wanted = [name for name in MEASUREMENT_NAMES if name in names] or names
    if len(wanted) != 1 and len(names) != 1:
        raise UnreadableFileError(f"expected one array, or one named y or measurement, got {', '.join(names) or 'none'}")
    limit = max_pixels * MAX_ITEM_BYTES + MAX_HEADER_BYTES
    with archive.open(entries[names.index(wanted[0])]) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise TooManyPixelsError(f"expected an array of at most {max_pixels} numbers, got more than {limit} decompressed bytes")
    if not content.startswith(b"\x93NUMPY"):
        raise UnreadableFileError(f"expected an array in the .npz file, got {wanted[0]!r}, which is none")
    return content
