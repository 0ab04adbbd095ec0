"""Quantisation and Huffman tables (ITU-T T.81, B.2.4 and annex C)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from operators.jpeg.errors import CorruptJPEGError

PEEK = 16  # bits: the longest Huffman code


def _zigzag() -> NDArray[np.intp]:
    diagonals = [[(i, d - i) for i in range(8) if 0 <= d - i < 8] for d in range(15)]
    path = [cell for d, cells in enumerate(diagonals) for cell in (cells if d % 2 else cells[::-1])]
    return np.array([8 * i + j for i, j in path])


ZIGZAG = _zigzag()
"""Position in the flattened 8x8 block (vertical frequency first) of the n-th coefficient in file order."""


def quantisation_tables(payload: bytes) -> dict[int, NDArray[np.int32]]:
    """The (8, 8) tables of a DQT segment by number. Raises :class:`CorruptJPEGError`."""
    tables: dict[int, NDArray[np.int32]] = {}
    while payload:
        wide, number = payload[0] >> 4, payload[0] & 15
        size = 64 * (wide + 1)
        if wide > 1 or number > 3 or len(payload) < 1 + size:
            raise CorruptJPEGError(f"bad quantisation table: number {number}, precision {wide}, {len(payload) - 1} bytes of {size}")
        table = np.zeros(64, np.int32)
        table[ZIGZAG] = np.frombuffer(payload[1 : 1 + size], ">u2" if wide else np.uint8)
        if not table.all():
            raise CorruptJPEGError(f"quantisation table {number} holds a zero")
        tables[number] = table.reshape(8, 8)
        payload = payload[1 + size :]
    return tables


def huffman_tables(payload: bytes) -> dict[tuple[int, int], bytes]:
    """The definitions in a DHT segment by (class, number): 16 code counts, then the symbols. Raises :class:`CorruptJPEGError`."""
    tables: dict[tuple[int, int], bytes] = {}
    while payload:
        kind, number, size = payload[0] >> 4, payload[0] & 15, 17 + sum(payload[1:17])
        if kind > 1 or number > 3 or len(payload) < size or size > 17 + 256:
            raise CorruptJPEGError(f"bad Huffman table: class {kind}, number {number}, {len(payload)} bytes of {size}")
        tables[kind, number] = payload[1:size]
        payload = payload[size:]
    return tables


@lru_cache(maxsize=8)
def code_lookup(definition: bytes) -> list[int]:
    """``length << 8 | symbol`` of the code that the index, 16 bits, starts with; 0 where no code does.

    Raises :class:`CorruptJPEGError` when there are more codes than fit.
    """
    lookup = np.zeros(1 << PEEK, np.int64)
    at, symbols = 0, iter(definition[16:])
    for length, count in enumerate(definition[:16], start=1):
        span = 1 << (PEEK - length)
        if at + count * span > 1 << PEEK:
            raise CorruptJPEGError(f"a Huffman table has {count} codes of {length} bits, more than fit")
        entries = [length << 8 | next(symbols) for _ in range(count)]
        lookup[at : at + count * span] = np.repeat(entries, span) if entries else 0
        at += count * span
    return lookup.tolist()
