"""Scans of progressive files: a band of coefficients, first their high bits, then one bit more per scan (ITU-T T.81, annex G)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import cycle

import numpy as np

from operators.jpeg.bits import WORD, Bits, bad_code, checked_dc, read_difference, read_number

ALL_ZEROS = 64  # more zeros than a band has: walk to its end


def dc_first(bits: Bits, blocks: Sequence[int], slots: Sequence[int], dc: Sequence[list[int]], low: int, out: array[int]) -> None:
    """The DC coefficients without their ``low`` lowest bits."""
    words, at = bits.words, bits.start
    predicted = [0] * len(dc)
    for block, slot in zip(blocks, cycle(slots), strict=False):
        difference, at = read_difference(words, at, dc[slot])
        predicted[slot] = checked_dc(predicted[slot] + difference)
        out[64 * block] = predicted[slot] << low
        bits.check(at)


def dc_refine(bits: Bits, blocks: Sequence[int], low: int, out: array[int]) -> None:
    """Bit ``low`` of the DC coefficients."""
    bits.check(bits.start + len(blocks))
    for at, block in enumerate(blocks, start=bits.start):
        out[64 * block] |= read_number(bits.words, at, 1) << low


def ac_first(bits: Bits, blocks: Sequence[int], lookup: list[int], band: tuple[int, int], low: int, out: array[int]) -> None:
    """The coefficients ``band`` (first and last) of one component without their ``low`` lowest bits."""
    words, at, i = bits.words, bits.start, 0
    while i < len(blocks):
        k, stop = 64 * blocks[i] + band[0], 64 * blocks[i] + band[1]
        i += 1
        while k <= stop:
            run, size, at = _read_code(words, at, lookup)
            if size:
                k += run
                if k > stop:
                    raise bad_code()
                value = read_number(words, at, size)
                out[k] = (value if value >> (size - 1) else value - (1 << size) + 1) * (1 << low)
                at += size
                k += 1
            elif run == 15:
                k += 16
            else:
                i += (1 << run) - 1 + read_number(words, at, run)
                at += run
                break
        bits.check(at)


def ac_refine(bits: Bits, blocks: Sequence[int], lookup: list[int], band: tuple[int, int], low: int, out: array[int]) -> None:
    """Bit ``low`` of the coefficients ``band`` of one component, some of which become non-zero by it."""
    words, at, ended_blocks = bits.words, bits.start, 0
    known: list[bool] = np.any(np.frombuffer(out, np.int32).reshape(-1, 64)[blocks, band[0] : band[1] + 1], axis=1).tolist()
    for block, corrected in zip(blocks, known, strict=True):
        k, stop = 64 * block + band[0], 64 * block + band[1]
        while k <= stop and not ended_blocks:
            run, size, at = _read_code(words, at, lookup)
            if size > 1:
                raise bad_code()
            if not size and run < 15:
                ended_blocks = (1 << run) + read_number(words, at, run)
                at += run
                break
            new = (2 * read_number(words, at, 1) - 1) * (1 << low) if size else 0
            at, k = _correct(words, at + size, out, k, stop, run, 1 << low)
            if new and k > stop:
                raise bad_code()
            if new:
                out[k] = new
            k += 1
        if ended_blocks:
            ended_blocks -= 1
            if corrected:
                at, _ = _correct(words, at, out, k, stop, ALL_ZEROS, 1 << low)
        bits.check(at)


def _read_code(words: array[int], at: int, lookup: list[int]) -> tuple[int, int, int]:
    """Run of zeros, size of the number that follows, and the bit after the code."""
    entry = lookup[words[at >> 3] >> (WORD - 16 - (at & 7)) & 0xFFFF]
    if not entry:
        raise bad_code()
    return entry >> 4 & 15, entry & 15, at + (entry >> 8)


def _correct(words: array[int], at: int, out: array[int], k: int, stop: int, zeros: int, step: int) -> tuple[int, int]:
    """Read the correction bit of every non-zero coefficient up to the zero after ``zeros`` zeros; returns (bit, position) there."""
    while k <= stop:
        value = out[k]
        if value:
            if words[at >> 3] >> (WORD - 1 - (at & 7)) & 1:
                out[k] = value + step if value > 0 else value - step
            at += 1
        elif zeros:
            zeros -= 1
        else:
            break
        k += 1
    return at, k
