"""Bits of restart intervals, and the two readings that every coding process needs (ITU-T T.81, annex F.2)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from operators.jpeg.errors import CorruptJPEGError, TruncatedJPEGError

WORD = 40  # bits: 7 before the current one, a code of up to 16, a number of up to 15
BEYOND = 272  # bytes of zeros after the data: more than one block can read before its end is checked
MAX_DC = 1 << 15


@dataclass(frozen=True)
class Bits:
    """The bits ``start`` .. ``end`` of a scan, a restart interval; ``words[i]`` holds the 40 bits from the scan's byte i on."""

    words: array[int]
    start: int
    end: int

    @classmethod
    def of(cls, intervals: Sequence[bytes]) -> list[Bits]:
        """The bits of each of a scan's restart intervals."""
        padded = np.frombuffer(b"".join(intervals) + bytes(BEYOND), np.uint8).astype(np.uint64)
        count = len(padded) - WORD // 8 + 1
        values = np.zeros(count, np.uint64)
        for i in range(WORD // 8):
            values = values << np.uint64(8) | padded[i : i + count]
        words = array("Q", values.tobytes())
        ends = [8 * n for n in accumulate(map(len, intervals), initial=0)]
        return [cls(words, start, end) for start, end in pairwise(ends)]

    def check(self, at: int) -> None:
        """Raise :class:`TruncatedJPEGError` when bit ``at`` was read beyond the end."""
        if at > self.end:
            raise TruncatedJPEGError("the entropy-coded data end before all blocks are known")


def bad_code() -> CorruptJPEGError:
    """The error for bits that no code starts with, or a code that means nothing."""
    return CorruptJPEGError("the entropy-coded data hold a code that has no meaning")


def read_number(words: array[int], at: int, size: int) -> int:
    """``size`` bits from ``at`` on as a number without sign."""
    return words[at >> 3] >> (WORD - (at & 7) - size) & ((1 << size) - 1)


def read_difference(words: array[int], at: int, lookup: list[int]) -> tuple[int, int]:
    """A coded difference of neighbouring DC coefficients and the bit after it."""
    entry = lookup[words[at >> 3] >> (WORD - 16 - (at & 7)) & 0xFFFF]
    size = entry & 0xFF
    if not entry or size > 15:
        raise bad_code()
    at += entry >> 8
    value = read_number(words, at, size)
    return value if not size or value >> (size - 1) else value - (1 << size) + 1, at + size


def checked_dc(value: int) -> int:
    """``value`` itself. Raises :class:`CorruptJPEGError` when no image has such a DC coefficient."""
    if abs(value) > MAX_DC:
        raise CorruptJPEGError(f"a DC coefficient of {value} is out of range")
    return value
