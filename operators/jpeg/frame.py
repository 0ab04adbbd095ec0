"""Frame and scan headers (ITU-T T.81, B.2.2 and B.2.3): which blocks there are and in which order scans visit them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from operators.jpeg.errors import CorruptJPEGError, OversizedJPEGError, TruncatedJPEGError, UnsupportedJPEGError

BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
MAX_SCAN_BLOCKS = 10  # of one interleaved unit
UNKNOWN = -1  # no scan has sent the coefficient yet


@dataclass
class FrameComponent:
    """A component while its scans are read.

    ``rows`` x ``columns`` blocks belong to the image; storage has ``stored_rows`` x ``stride``, whole interleaved units.
    """

    identifier: int
    sampling: tuple[int, int]
    table: int
    rows: int
    columns: int
    stored_rows: int
    stride: int
    offset: int
    quantisation: NDArray[np.int32] | None = None
    low_bit: list[int] = field(default_factory=lambda: [UNKNOWN] * 64)

    @property
    def blocks(self) -> int:
        """Blocks in storage."""
        return self.stored_rows * self.stride


@dataclass(frozen=True)
class Frame:
    """The frame header. A unit is the smallest group of interleaved blocks."""

    kind: int
    height: int
    width: int
    components: tuple[FrameComponent, ...]
    units_down: int
    units_across: int

    @property
    def progressive(self) -> bool:
        """Whether coefficients come in several scans."""
        return self.kind == PROGRESSIVE


@dataclass(frozen=True)
class ScanComponent:
    """A component of a scan and the numbers of its Huffman tables."""

    component: FrameComponent
    dc_table: int
    ac_table: int


@dataclass(frozen=True)
class Scan:
    """A scan header: coefficients ``first`` .. ``last`` in file order, bits from ``low`` up, or bit ``low`` alone when ``high`` is set."""

    components: tuple[ScanComponent, ...]
    first: int
    last: int
    high: int
    low: int


def read_frame(kind: int, payload: bytes, max_pixels: int) -> Frame:
    """The header of frame type ``kind`` (0xC0 ..). Raises a :class:`JPEGError` of the fitting kind before anything is allocated."""
    if kind not in (BASELINE, EXTENDED, PROGRESSIVE):
        raise UnsupportedJPEGError(f"expected a baseline or progressive Huffman-coded file, got frame type {kind:02x} ({_kind_name(kind)})")
    if len(payload) < 6 or len(payload) != 6 + 3 * payload[5]:
        raise CorruptJPEGError(f"the frame header has {len(payload)} bytes")
    if payload[0] != 8:
        raise UnsupportedJPEGError(f"expected 8 bits per sample, got {payload[0]}")
    height, width, count = int.from_bytes(payload[1:3]), int.from_bytes(payload[3:5]), payload[5]
    if not height or not width:
        raise UnsupportedJPEGError(f"expected the image's size in the frame header, got {height} x {width}")
    if height * width > max_pixels:
        raise OversizedJPEGError(f"expected at most {max_pixels} pixels, got {height} x {width}")
    if count not in (1, 3):
        raise UnsupportedJPEGError(f"expected 1 component (grey) or 3 (YCbCr), got {count}{' (CMYK)' if count == 4 else ''}")
    return _geometry(kind, height, width, [payload[i : i + 3] for i in range(6, len(payload), 3)])


def _kind_name(kind: int) -> str:
    return "lossless" if kind % 4 == 3 else "arithmetic-coded" if kind >= 0xC9 else "hierarchical"


def _geometry(kind: int, height: int, width: int, headers: list[bytes]) -> Frame:
    samplings = [(h[1] >> 4, h[1] & 15) for h in headers]
    if any(not 1 <= f <= 4 for pair in samplings for f in pair):
        raise CorruptJPEGError(f"expected sampling factors 1 to 4, got {samplings}")
    if len({h[0] for h in headers}) != len(headers):
        raise CorruptJPEGError("two components have the same identifier")
    if len(headers) == 1:
        samplings = [(1, 1)]  # with nothing to interleave the factors mean nothing
    across, down = (max(s[axis] for s in samplings) for axis in (0, 1))
    units_across, units_down = math.ceil(width / (8 * across)), math.ceil(height / (8 * down))
    components, offset = [], 0
    for header, (h, v) in zip(headers, samplings, strict=True):
        rows, columns = math.ceil(math.ceil(height * v / down) / 8), math.ceil(math.ceil(width * h / across) / 8)
        one = FrameComponent(header[0], (h, v), header[2], rows, columns, units_down * v, units_across * h, offset)
        components.append(one)
        offset += one.blocks
    return Frame(kind, height, width, tuple(components), units_down, units_across)


def read_scan(payload: bytes, frame: Frame) -> Scan:
    """The header of a scan of ``frame``. Raises :class:`CorruptJPEGError`."""
    count = payload[0] if payload else 0
    if not 1 <= count <= len(frame.components) or len(payload) != 4 + 2 * count:
        raise CorruptJPEGError(f"the scan header has {len(payload)} bytes for {count} components")
    by_identifier = {c.identifier: c for c in frame.components}
    chosen = [(payload[i], payload[i + 1] >> 4, payload[i + 1] & 15) for i in range(1, 1 + 2 * count, 2)]
    if len({c[0] for c in chosen} & by_identifier.keys()) != count:
        raise CorruptJPEGError(f"the scan names components {[c[0] for c in chosen]}, the frame has {list(by_identifier)}")
    components = tuple(ScanComponent(by_identifier[i], dc, ac) for i, dc, ac in chosen)
    if count > 1 and sum(math.prod(c.component.sampling) for c in components) > MAX_SCAN_BLOCKS:
        raise CorruptJPEGError(f"a scan interleaves more than {MAX_SCAN_BLOCKS} blocks")
    first, last, high, low = payload[-3], payload[-2], payload[-1] >> 4, payload[-1] & 15
    scan = Scan(components, first, last, high, low) if frame.progressive else Scan(components, 0, 63, 0, 0)
    _advance(scan, frame.progressive)
    return scan


def _advance(scan: Scan, progressive: bool) -> None:
    """Check that the scan sends what is still missing, and note that it was sent."""
    first, last, high, low = scan.first, scan.last, scan.high, scan.low
    fits = first <= last <= 63 and low <= 13 and (high in (0, low + 1))
    if progressive and not (fits and (last == 0 if first == 0 else len(scan.components) == 1)):
        raise CorruptJPEGError(f"a scan of {len(scan.components)} components sends coefficients {first} to {last}, bits {high} to {low}")
    for chosen in scan.components:
        known = chosen.component.low_bit
        if any(bit != (high or UNKNOWN) for bit in known[first : last + 1]):
            raise CorruptJPEGError(
                f"coefficients {first} to {last} of component {chosen.component.identifier} are sent twice or out of order"
            )
        known[first : last + 1] = [low] * (last + 1 - first)


def check_complete(frame: Frame) -> None:
    """Raise :class:`TruncatedJPEGError` unless scans have sent every bit of every coefficient."""
    for c in frame.components:
        missing = sum(bit != 0 for bit in c.low_bit)
        if missing:
            raise TruncatedJPEGError(f"the file ends before {missing} of 64 coefficients of component {c.identifier} are fully known")


def scan_order(scan: Scan, frame: Frame) -> tuple[NDArray[np.int64], list[int]]:
    """Block numbers in the order that ``scan`` visits them, (units, blocks per unit), and the scan component of each block of a unit.

    A scan of one component visits its own blocks in rows; a scan of several visits units, in each the blocks of each component.
    """
    if len(scan.components) == 1:
        c = scan.components[0].component
        blocks = c.offset + np.arange(c.rows)[:, None] * c.stride + np.arange(c.columns)
        return blocks.reshape(-1, 1), [0]
    grids, slots = [], []
    for slot, chosen in enumerate(scan.components):
        c, (h, v) = chosen.component, chosen.component.sampling
        stored = c.offset + np.arange(c.blocks).reshape(frame.units_down, v, frame.units_across, h)
        grids.append(stored.transpose(0, 2, 1, 3).reshape(-1, h * v))
        slots += [slot] * (h * v)
    return np.concatenate(grids, axis=1), slots
