"""Blocks of baseline and extended sequential files: one scan holds whole blocks (ITU-T T.81, F.2.2)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import cycle

from operators.jpeg.bits import Bits, bad_code, checked_dc, read_difference


def decode_blocks(
    bits: Bits, blocks: Sequence[int], slots: Sequence[int], dc: Sequence[list[int]], ac: Sequence[list[int]], out: array[int]
) -> None:
    """Decode one restart interval into ``out``, 64 numbers per block in file order.

    ``blocks`` are block numbers in the order of the scan, ``slots`` the scan component of each block of a unit; ``dc`` and ``ac`` are
    the code lookups of the scan's components.
    """
    words, at = bits.words, bits.start
    predicted = [0] * len(dc)
    for block, slot in zip(blocks, cycle(slots), strict=False):
        difference, at = read_difference(words, at, dc[slot])
        out[64 * block] = predicted[slot] = checked_dc(predicted[slot] + difference)
        at = _ac_coefficients(words, at, ac[slot], out, 64 * block)
        bits.check(at)


def _ac_coefficients(words: array[int], at: int, lookup: list[int], out: array[int], base: int) -> int:
    """Fill in the 63 AC coefficients of the block at ``base``; returns the bit after it. Written flat: all the time is spent here."""
    k = base + 1
    stop = base + 64
    while k < stop:
        offset = at & 7
        word = words[at >> 3]
        entry = lookup[word >> (24 - offset) & 0xFFFF]
        size = entry & 15
        length = (entry >> 8) + size
        at += length
        if size:
            k += entry >> 4 & 15
            if k >= stop:
                raise bad_code()
            value = word >> (40 - offset - length) & ((1 << size) - 1)
            out[k] = value if value >> (size - 1) else value - (1 << size) + 1
            k += 1
        elif not entry:
            raise bad_code()
        elif entry & 0xF0 == 0xF0:
            k += 16
        else:
            break
    return at
