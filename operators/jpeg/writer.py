"""Writing coefficients as a JPEG file: the way back of :mod:`operators.jpeg.reader`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from operators.jpeg.coefficients import Component, JPEGCoefficients
from operators.jpeg.errors import UnsupportedJPEGError
from operators.jpeg.frame import BASELINE, EXTENDED
from operators.jpeg.tables import ZIGZAG

DC_BITS, AC_BITS = 4, 8  # all codes of a table are equally long: simple, and no file of the smallest size
MAX_DC_SIZE, MAX_AC_SIZE = 11, 10
SIXTEEN_ZEROS, END_OF_BLOCK = 0xF0, 0x00
DC_SYMBOLS = bytes(range(MAX_DC_SIZE + 1))
AC_SYMBOLS = bytes([END_OF_BLOCK, SIXTEEN_ZEROS, *(run << 4 | size for run in range(16) for size in range(1, MAX_AC_SIZE + 1))])
AC_CODES = {symbol: code for code, symbol in enumerate(AC_SYMBOLS)}
JFIF = b"JFIF\0\1\1\0\0\1\0\1\0\0"

Code = tuple[int, int]
"""A number and its length in bits."""


def write_jpeg(jpeg: JPEGCoefficients) -> bytes:
    """A sequential Huffman-coded file with exactly these coefficients, tables and sampling.

    Raises :class:`UnsupportedJPEGError` for coefficients larger than those of 8-bit images can be.
    """
    wide = any(c.quantisation.max() > 255 for c in jpeg.components)
    size = jpeg.height.to_bytes(2) + jpeg.width.to_bytes(2)
    numbered = list(enumerate(jpeg.components))
    frame = b"\x08" + size + bytes([len(numbered)]) + b"".join(bytes([i + 1, c.sampling[0] << 4 | c.sampling[1], i]) for i, c in numbered)
    scan = bytes([len(numbered)]) + b"".join(bytes([i + 1, 0]) for i, _ in numbered) + b"\x00\x3f\x00"
    tables = b"".join(
        bytes([wide << 4 | i]) + c.quantisation.ravel()[ZIGZAG].astype(">u2" if wide else "u1").tobytes() for i, c in numbered
    )
    parts = [(0xE0, JFIF), (0xDB, tables), (EXTENDED if wide else BASELINE, frame), (0xC4, _huffman_tables()), (0xDA, scan)]
    return b"\xff\xd8" + b"".join(_segment(*part) for part in parts) + _entropy_coded(jpeg) + b"\xff\xd9"


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload


def _huffman_tables() -> bytes:
    tables = b""
    for kind, bits, symbols in ((0x00, DC_BITS, DC_SYMBOLS), (0x10, AC_BITS, AC_SYMBOLS)):
        counts = [len(symbols) if length == bits else 0 for length in range(1, 17)]
        tables += bytes([kind, *counts]) + symbols
    return tables


def _entropy_coded(jpeg: JPEGCoefficients) -> bytes:
    before = [0] * len(jpeg.components)
    bits: list[str] = []
    for i, block in _blocks(jpeg):
        bits += [format(value, f"0{length}b") for value, length in _codes(block, before[i]) if length]
        before[i] = block[0]
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int("1" + text, 2).to_bytes(len(text) // 8 + 1)[1:].replace(b"\xff", b"\xff\0")


def _blocks(jpeg: JPEGCoefficients) -> Iterator[tuple[int, list[int]]]:
    """The number of the component and 64 coefficients in file order, block by block as a scan of all components has them."""
    across, down = (max(c.sampling[axis] for c in jpeg.components) for axis in (0, 1))
    units = (-(-jpeg.height // (8 * down)), -(-jpeg.width // (8 * across)))
    grids = [_whole(c, units) for c in jpeg.components]
    for row in range(units[0]):
        for column in range(units[1]):
            for i, grid in enumerate(grids):
                yield from ((i, block) for block in grid[row, column].reshape(-1, 64).tolist())


def _whole(component: Component, units: tuple[int, int]) -> NDArray[np.int32]:
    """The blocks (units down, units across, v, h, 64) in file order; blocks beyond the component's own repeat the last ones."""
    h, v = component.sampling
    own = component.coefficients.reshape(*component.coefficients.shape[:2], 64)[..., ZIGZAG]
    missing = (units[0] * v - own.shape[0], units[1] * h - own.shape[1])
    stored = np.pad(own, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    return stored.reshape(units[0], v, units[1], h, 64).transpose(0, 2, 1, 3, 4)


def _codes(block: list[int], before: int) -> Iterator[Code]:
    """The codes of a block whose component had the DC coefficient ``before`` in its last one (ITU-T T.81, F.1.2)."""
    number = _magnitude(block[0] - before, MAX_DC_SIZE)
    yield number[1], DC_BITS
    yield number
    run = 0
    for value in block[1:]:
        if value == 0:
            run += 1
            continue
        while run > 15:
            yield AC_CODES[SIXTEEN_ZEROS], AC_BITS
            run -= 16
        number = _magnitude(value, MAX_AC_SIZE)
        yield AC_CODES[run << 4 | number[1]], AC_BITS
        yield number
        run = 0
    if run:
        yield AC_CODES[END_OF_BLOCK], AC_BITS


def _magnitude(value: int, most: int) -> Code:
    """The number as JPEG writes it, in no more bits than it needs."""
    size = abs(value).bit_length()
    if size > most:
        raise UnsupportedJPEGError(f"expected coefficients of at most {most} bits, as 8-bit images have, got {value}")
    return value if value >= 0 else value + (1 << size) - 1, size
