"""From bytes to an array: the kind is told by the first bytes, never by the name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.uploads.arrays import decode_npy, decode_npz
from app.uploads.errors import NotAMeasurementError
from app.uploads.pictures import decode_picture
from operators.files import described, kind_of

Decoder = Callable[[bytes, int, bool], np.ndarray]


def _npy(content: bytes, max_pixels: int, photograph: bool) -> np.ndarray:
    return decode_npy(content, max_pixels)


def _npz(content: bytes, max_pixels: int, photograph: bool) -> np.ndarray:
    return decode_npz(content, max_pixels)[0]


DECODERS: dict[str, Decoder] = {".npy": _npy, ".npz": _npz, "PNG": decode_picture, "JPEG": decode_picture, "TIFF": decode_picture}


@dataclass(frozen=True)
class Decoded:
    """A measurement file's numbers."""

    array: np.ndarray
    """The measurement, float32."""
    stored: dict[str, np.ndarray] = field(default_factory=dict)
    """What was kept beside it, such as a mask, by name, float64 without scaling."""


def expected_formats() -> str:
    """The kinds of file that are taken, for people."""
    return ", ".join(DECODERS)


def decode(content: bytes, max_pixels: int, *, photograph: bool = False) -> np.ndarray:
    """The file's numbers as float32: pictures as (C, H, W), arrays in the shape they were saved in.

    8-bit values 0..255 (and 16-bit ones of pictures, 0..65535) become -1..1; other numbers are taken as they are.
    A ``photograph`` is turned upright, its transparency laid on white, and of several frames the first is taken; in a measurement
    these are errors. Raises :class:`app.uploads.UploadError`.
    """
    kind = kind_of(content)
    if kind is None:
        raise NotAMeasurementError(f"expected a file of one of these kinds: {expected_formats()}; got {described(content)}")
    return DECODERS[kind](content, max_pixels, photograph)


def decode_measurement(content: bytes, max_pixels: int, stored: Sequence[str] = ()) -> Decoded:
    """As :func:`decode`, with the arrays of the names in ``stored`` that an .npz file has beside its measurement."""
    if kind_of(content) != ".npz":
        return Decoded(decode(content, max_pixels))
    return Decoded(*decode_npz(content, max_pixels, stored))
