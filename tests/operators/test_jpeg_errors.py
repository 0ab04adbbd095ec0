"""Files that are not the JPEG files that the reader wants: named, in bounded time and memory."""

import io
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

import operators
from operators.jpeg import (
    CorruptJPEGError,
    JPEGError,
    NotJPEGError,
    OversizedJPEGError,
    TruncatedJPEGError,
    UnsupportedJPEGError,
    read_jpeg,
)
from tests.operators.jpegs import jpeg, picture

GREY = jpeg(picture(24, 24))
COLOUR = jpeg(picture(40, 24, channels=3), progressive=True)


def saved(image, name, **options):
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def with_frame(data, kind=None, height=None, precision=None):
    """``data`` with another frame type or header."""
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    changed = bytearray(data)
    if kind is not None:
        changed[at + 1] = kind
    if precision is not None:
        changed[at + 4] = precision
    if height is not None:
        changed[at + 5 : at + 7] = height.to_bytes(2)
    return bytes(changed)


def without(data, marker):
    """``data`` without its first segment of that marker."""
    at = data.find(bytes([0xFF, marker]))
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4]) :]


def without_scans(data):
    return data[: data.find(b"\xff\xda")] + b"\xff\xd9"


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", NotJPEGError, "an empty file"),
        (saved(Image.new("L", (8, 8)), "PNG"), NotJPEGError, "got 89 50 4e"),
        (with_frame(GREY, kind=0xC9), UnsupportedJPEGError, "arithmetic-coded"),
        (with_frame(GREY, kind=0xC3), UnsupportedJPEGError, "lossless"),
        (with_frame(GREY, kind=0xC5), UnsupportedJPEGError, "hierarchical"),
        (with_frame(GREY, precision=12), UnsupportedJPEGError, "expected 8 bits per sample, got 12"),
        (with_frame(GREY, height=0), UnsupportedJPEGError, "got 0 x 24"),
        (saved(Image.new("CMYK", (8, 8)), "JPEG"), UnsupportedJPEGError, "got 4 .CMYK."),
        (saved(Image.new("RGB", (8, 8)), "JPEG", keep_rgb=True), UnsupportedJPEGError, "got RGB"),
        (with_frame(GREY, height=65000), OversizedJPEGError, "at most 1000000 pixels, got 65000 x 24"),
        (with_frame(GREY, height=32), TruncatedJPEGError, "end before all blocks"),
        (without_scans(GREY), TruncatedJPEGError, "64 of 64 coefficients"),
        (b"\xff\xd8\xff\xd9", TruncatedJPEGError, "before its frame header"),
        (without(GREY, 0xDB), CorruptJPEGError, "quantisation table 0, which is not in the file"),
        (without(GREY, 0xC4), CorruptJPEGError, "DC Huffman table 0, which is not in the file"),
        (without(GREY, 0xC0), CorruptJPEGError, "scan comes before the frame header"),
        (b"\xff\xd8\xff\xdb\x00\x01", CorruptJPEGError, "length 1"),
        (b"\xff\xd8" + b"\xff\xd8" + GREY, CorruptJPEGError, "ffd8 is out of place"),
        (jpeg(picture(24, 24), restart_marker_blocks=2).replace(b"\xff\xd1", b"\xff\xd2"), CorruptJPEGError, "out of order"),
    ],
)
def test_what_is_wrong_is_named(data, error, message):
    with pytest.raises(error, match=message) as caught:
        read_jpeg(data, max_pixels=1_000_000)
    assert isinstance(caught.value, operators.MeasurementError)


@pytest.mark.parametrize("data", [GREY, COLOUR], ids=["baseline", "progressive"])
def test_a_file_cut_anywhere_is_truncated(data):
    read_jpeg(data)
    for end in range(3, len(data), 5):
        with pytest.raises(TruncatedJPEGError):
            read_jpeg(data[:end])


def test_a_scan_sent_twice_is_refused():
    start = GREY.find(b"\xff\xda")
    with pytest.raises(CorruptJPEGError, match="sent twice"):
        read_jpeg(GREY[:-2] + GREY[start:])


def test_a_progressive_file_with_a_scan_missing_is_truncated():
    last = COLOUR.rfind(b"\xff\xda")
    with pytest.raises(TruncatedJPEGError, match="fully known"):
        read_jpeg(COLOUR[:last] + b"\xff\xd9")


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_give_coefficients_or_a_named_error(seed):
    rng = np.random.default_rng(seed)
    options = [{"progressive": bool(seed % 2), "restart_marker_blocks": r, "quality": 70} for r in (0, 2)]
    originals = [jpeg(picture(40, 24, channels=c), **o) for c in (1, 3) for o in options]
    named = 0
    for i in range(200):
        data = bytearray(originals[i % len(originals)])
        for at in rng.integers(0, len(data), rng.integers(1, 8)):
            data[at] = rng.choice([0x00, 0xFF, 0xD0, 0xDA, data[at] ^ (1 << rng.integers(8)), rng.integers(256)])
        if i % 10 == 0:
            at, n = rng.integers(0, len(data)), rng.integers(1, 50)
            data[at : at + n] = data[rng.integers(0, len(data)) :][: rng.integers(0, 50)]
        started = time.process_time()
        try:
            read = read_jpeg(bytes(data), max_pixels=1 << 16)
        except JPEGError:
            named += 1
        else:
            assert read.height * read.width <= 1 << 16
        assert time.process_time() - started < 5
    assert 50 < named < 200


def test_random_bytes_after_the_first_three_are_named():
    rng = np.random.default_rng(0)
    for _ in range(200):
        with pytest.raises(JPEGError):
            read_jpeg(b"\xff\xd8\xff" + rng.bytes(rng.integers(0, 300)))


def test_many_scans_over_a_large_image_end_soon():
    """One end-of-band run covers 32767 blocks in two bytes: the cheapest way to ask for much work."""
    side, bands = 2040, range(1, 50)
    frame = b"\xff\xc2\x00\x0b\x08" + side.to_bytes(2) * 2 + b"\x01\x01\x11\x00"
    tables = b"\xff\xdb\x00\x43\x00" + b"\x01" * 64 + b"\xff\xc4\x00\x14\x10\x01" + bytes(15) + b"\xe0"
    blocks, runs = (side // 8) ** 2, 0
    bits = ""
    while blocks - runs >= 1 << 14:
        n = min(blocks - runs, (1 << 15) - 1)
        bits, runs = bits + f"0{n - (1 << 14):014b}", runs + n
    scan = int(bits.ljust(-(-len(bits) // 8) * 8, "1"), 2).to_bytes(-(-len(bits) // 8)).replace(b"\xff", b"\xff\x00")
    scans = [b"\xff\xda\x00\x08\x01\x01\x00" + bytes([k, k, 0x00 | 3]) + scan for k in bands]
    refinements = [b"\xff\xda\x00\x08\x01\x01\x00" + bytes([k, k, 0x32]) + scan for k in bands]
    data = b"\xff\xd8" + tables + frame + b"".join(scans + refinements) + b"\xff\xd9"
    started = time.process_time()
    with pytest.raises(TruncatedJPEGError, match="fully known"):
        read_jpeg(data)
    assert time.process_time() - started < 20


def test_many_restarts_end_soon():
    data = jpeg(picture(512, 512), quality=5, restart_marker_blocks=1)
    assert data.count(b"\xff\xd3") == 512
    started = time.process_time()
    read_jpeg(data)
    assert time.process_time() - started < 2


def test_memory_is_bounded_by_the_pixels_allowed():
    data = with_frame(GREY, height=65000)
    tracemalloc.start()
    with pytest.raises(OversizedJPEGError):
        read_jpeg(data, max_pixels=1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    with pytest.raises(TruncatedJPEGError):
        read_jpeg(data)
    assert tracemalloc.get_traced_memory()[1] < 40e6
    tracemalloc.stop()
