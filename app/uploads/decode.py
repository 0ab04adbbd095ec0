"""From bytes to an array: the kind is told by the first bytes, never by the name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.uploads.arrays import decode_npy, decode_npz
from app.uploads.errors import NotAMeasurementError
from app.uploads.pictures import decode_picture

Decoder = Callable[[bytes, int], np.ndarray]

MAGIC: list[tuple[bytes, str, Decoder]] = [
    (b"\x93NUMPY", ".npy", decode_npy),
    (b"PK\x03\x04", ".npz", decode_npz),
    (b"\x89PNG\r\n\x1a\n", "PNG", decode_picture),
    (b"\xff\xd8\xff", "JPEG", decode_picture),
    (b"II*\x00", "TIFF", decode_picture),
    (b"MM\x00*", "TIFF", decode_picture),
]


def expected_formats() -> str:
    """The kinds of file that are taken, for people."""
    return ", ".join(dict.fromkeys(kind for _, kind, _ in MAGIC))


def decode(content: bytes, max_pixels: int) -> np.ndarray:
    """The file's numbers as float32: pictures as (C, H, W), arrays in the shape they were saved in.

    8-bit values 0..255 (and 16-bit ones of pictures, 0..65535) become -1..1; other numbers are taken as they are.
    Raises :class:`app.uploads.UploadError`.
    """
    for magic, _, decoder in MAGIC:
        if content.startswith(magic):
            return decoder(content, max_pixels)
    came = "an empty file" if not content else f"a file of {len(content)} bytes that starts with {content[:8]!r}"
    raise NotAMeasurementError(f"expected a file of one of these kinds: {expected_formats()}; got {came}")
