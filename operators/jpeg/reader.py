"""Reading a JPEG file's coefficients: exactly those that the encoder wrote, nothing decoded to pixels, nothing guessed."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from operators.jpeg import markers, progressive, sequential
from operators.jpeg.bits import Bits
from operators.jpeg.coefficients import Component, JPEGCoefficients
from operators.jpeg.errors import CorruptJPEGError, TruncatedJPEGError, UnsupportedJPEGError
from operators.jpeg.frame import Frame, FrameComponent, Scan, check_complete, read_frame, read_scan, scan_order
from operators.jpeg.tables import ZIGZAG, code_lookup, huffman_tables, quantisation_tables

MAX_PIXELS = 1 << 22
MAX_SCANS = 100
MAX_COEFFICIENT = 1 << 15


def read_jpeg(data: bytes, *, max_pixels: int = MAX_PIXELS) -> JPEGCoefficients:
    """The quantised DCT coefficients, tables and sampling of a JPEG file (baseline or progressive, grey or YCbCr, 8 bits).

    Metadata such as the orientation and what follows the end marker are not looked at. Raises :class:`NotJPEGError`,
    :class:`TruncatedJPEGError` (a missing end too), :class:`CorruptJPEGError`, :class:`UnsupportedJPEGError`, or
    :class:`OversizedJPEGError` for more than ``max_pixels`` pixels, before memory is taken for them.
    """
    markers.check_start(data)
    return _Reader(data, max_pixels).read()


@dataclass
class _Reader:
    data: bytes
    max_pixels: int
    frame: Frame | None = None
    quantisation: dict[int, NDArray[np.int32]] = field(default_factory=dict)
    huffman: dict[tuple[int, int], bytes] = field(default_factory=dict)
    restart_units: int = 0
    storage: array[int] = field(default_factory=lambda: array("i"))
    scans: int = 0
    jfif: bool = False
    adobe_transform: int | None = None

    def read(self) -> JPEGCoefficients:
        segment = markers.read_segment(self.data, 2)
        while segment.marker != markers.EOI:
            at = self.take(segment)
            segment = markers.read_segment(self.data, at)
        if self.frame is None:
            raise TruncatedJPEGError("the file ends before its frame header")
        check_complete(self.frame)
        components = tuple(self.finish(c) for c in self.frame.components)
        return JPEGCoefficients(components, self.frame.height, self.frame.width)

    def take(self, segment: markers.Segment) -> int:
        """Use one segment; returns where the next one starts."""
        payload = segment.payload
        match segment.marker:
            case markers.DQT:
                self.quantisation.update(quantisation_tables(payload))
            case markers.DHT:
                self.huffman.update(huffman_tables(payload))
            case markers.DRI:
                self.restart_units = int.from_bytes(payload[:2])
            case markers.APP0:
                self.jfif = self.jfif or payload.startswith(b"JFIF\0")
            case markers.APP14 if payload.startswith(b"Adobe") and len(payload) >= 12:
                self.adobe_transform = payload[11]
            case markers.SOS:
                return self.take_scan(payload, segment.end)
            case marker if marker in markers.FRAMES:
                self.take_frame(marker, payload)
            case marker if marker in (markers.SOI, markers.DNL, markers.DAC) or marker in markers.RESTARTS:
                raise CorruptJPEGError(f"marker ff{marker:02x} is out of place")
        return segment.end

    def take_frame(self, marker: int, payload: bytes) -> None:
        if self.frame is not None:
            raise CorruptJPEGError("the file has a second frame header")
        self.frame = read_frame(marker, payload, self.max_pixels)
        self.storage = array("i", bytes(4 * 64 * sum(c.blocks for c in self.frame.components)))

    def take_scan(self, payload: bytes, at: int) -> int:
        if self.frame is None:
            raise CorruptJPEGError("a scan comes before the frame header")
        self.scans += 1
        if self.scans > MAX_SCANS:
            raise UnsupportedJPEGError(f"expected at most {MAX_SCANS} scans")
        self.check_colours(self.frame)
        scan = read_scan(payload, self.frame)
        for chosen in scan.components:
            self.fix_quantisation(chosen.component)
        intervals, end = markers.entropy_coded(self.data, at)
        self.decode(scan, self.frame, intervals)
        return end

    def fix_quantisation(self, component: FrameComponent) -> None:
        """A component's table is the one in force when its first scan starts."""
        if component.quantisation is None:
            if component.table not in self.quantisation:
                raise CorruptJPEGError(
                    f"component {component.identifier} uses quantisation table {component.table}, which is not in the file"
                )
            component.quantisation = self.quantisation[component.table]

    def check_colours(self, frame: Frame) -> None:
        identifiers = bytes(c.identifier for c in frame.components)
        rgb = self.adobe_transform == 0 if self.adobe_transform is not None else identifiers == b"RGB"
        if len(identifiers) == 3 and rgb and not self.jfif:
            raise UnsupportedJPEGError("expected colours stored as YCbCr, got RGB")

    def decode(self, scan: Scan, frame: Frame, intervals: list[bytes]) -> None:
        order, slots = scan_order(scan, frame)
        units = self.restart_units or len(order)
        expected = math.ceil(len(order) / units)
        if len(intervals) != expected:
            kind = TruncatedJPEGError if len(intervals) < expected else CorruptJPEGError
            raise kind(f"expected {expected} restart intervals in a scan, got {len(intervals)}")
        blocks, step = order.reshape(-1).tolist(), units * len(slots)
        decode = self.decoder(scan, slots)
        for i, bits in enumerate(Bits.of(intervals)):
            decode(bits, blocks[i * step : (i + 1) * step])

    def decoder(self, scan: Scan, slots: list[int]) -> Callable[[Bits, list[int]], None]:
        """What decodes a restart interval of ``scan``: the bits of the given blocks into the storage."""
        out, low, band = self.storage, scan.low, (scan.first, scan.last)
        if scan.last and not scan.first:
            dc, ac = self.lookups(scan, 0), self.lookups(scan, 1)
            return lambda bits, blocks: sequential.decode_blocks(bits, blocks, slots, dc, ac, out)
        if scan.last:
            decode, lookup = progressive.ac_refine if scan.high else progressive.ac_first, self.lookups(scan, 1)[0]
            return lambda bits, blocks: decode(bits, blocks, lookup, band, low, out)
        if scan.high:
            return lambda bits, blocks: progressive.dc_refine(bits, blocks, low, out)
        differences = self.lookups(scan, 0)
        return lambda bits, blocks: progressive.dc_first(bits, blocks, slots, differences, low, out)

    def lookups(self, scan: Scan, kind: int) -> list[list[int]]:
        """The code lookups of the scan's components, for DC (kind 0) or AC (kind 1)."""
        numbers = [c.ac_table if kind else c.dc_table for c in scan.components]
        for number in numbers:
            if (kind, number) not in self.huffman:
                raise CorruptJPEGError(f"a scan uses {'AC' if kind else 'DC'} Huffman table {number}, which is not in the file")
        return [code_lookup(self.huffman[kind, number]) for number in numbers]

    def finish(self, c: FrameComponent) -> Component:
        """The component's own blocks, their coefficients in two dimensions."""
        assert c.quantisation is not None, "every complete component had a scan"
        stored = np.frombuffer(self.storage, np.int32)[64 * c.offset : 64 * (c.offset + c.blocks)].reshape(c.stored_rows, c.stride, 64)
        own = stored[: c.rows, : c.columns]
        if np.abs(own).max() > MAX_COEFFICIENT:
            raise CorruptJPEGError(f"a coefficient of component {c.identifier} is out of range")
        blocks = np.empty_like(own)
        blocks[..., ZIGZAG] = own
        return Component(blocks.reshape(c.rows, c.columns, 8, 8), c.quantisation, c.sampling)
