"""The outer structure of a JPEG file: marker segments and the entropy-coded data between them (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from operators.jpeg.errors import CorruptJPEGError, NotJPEGError, TruncatedJPEGError

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
DQT, DHT, DAC, DNL, DRI = 0xDB, 0xC4, 0xCC, 0xDC, 0xDD
APP0, APP14 = 0xE0, 0xEE
RESTARTS = range(0xD0, 0xD8)
FRAMES = {*range(0xC0, 0xD0)} - {DHT, DAC, 0xC8}
MARKER_IN_DATA = re.compile(rb"\xff([\x01-\xfe])")  # ff 00 stands for the data byte ff


@dataclass(frozen=True)
class Segment:
    """A marker's code, its payload and where the bytes after it start."""

    marker: int
    payload: bytes
    end: int


def check_start(data: bytes) -> None:
    """Raise :class:`NotJPEGError` unless ``data`` starts with a JPEG file's first three bytes."""
    if data[:2] != b"\xff\xd8" or (len(data) > 2 and data[2] != 0xFF):
        raise NotJPEGError(f"expected a JPEG file, which starts with the bytes ff d8 ff, got {data[:3].hex(' ') or 'an empty file'}")


def read_segment(data: bytes, at: int) -> Segment:
    """The marker segment at ``at``. Raises :class:`TruncatedJPEGError` or :class:`CorruptJPEGError`."""
    if at < len(data) and data[at] != 0xFF:
        raise CorruptJPEGError(f"expected a marker (ff) at byte {at}, got {data[at]:02x}")
    while at < len(data) and data[at] == 0xFF:
        at += 1
    if at >= len(data):
        raise TruncatedJPEGError(f"the file ends after {len(data)} bytes without its end marker")
    marker, at = data[at], at + 1
    if marker in (SOI, EOI, 0x01) or marker in RESTARTS:
        return Segment(marker, b"", at)
    length = int.from_bytes(data[at : at + 2])
    if at + max(length, 2) > len(data):
        raise TruncatedJPEGError(f"the file ends after {len(data)} bytes inside the segment of marker ff{marker:02x}")
    if length < 2:
        raise CorruptJPEGError(f"the segment of marker ff{marker:02x} has length {length}, expected at least 2")
    return Segment(marker, data[at + 2 : at + length], at + length)


def entropy_coded(data: bytes, at: int) -> tuple[list[bytes], int]:
    """The entropy-coded data from ``at``, split at restart markers and freed of stuffed bytes, and where the next marker starts.

    Raises :class:`TruncatedJPEGError` when the file ends first and :class:`CorruptJPEGError` when restart markers are out of order.
    """
    intervals: list[bytes] = []
    for found in MARKER_IN_DATA.finditer(data, at):
        intervals.append(data[at : found.start()].rstrip(b"\xff").replace(b"\xff\x00", b"\xff"))
        marker = found[1][0]
        if marker not in RESTARTS:
            return intervals, found.start()
        if marker != RESTARTS[(len(intervals) - 1) % 8]:
            raise CorruptJPEGError(f"restart marker ff{marker:02x} at byte {found.start()} is out of order")
        at = found.end()
    raise TruncatedJPEGError(f"the file ends after {len(data)} bytes inside its entropy-coded data")
