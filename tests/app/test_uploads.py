"""Files are known by their content, bounded, and never believed."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.uploads import (
    NotAMeasurementError,
    TooManyPixelsError,
    UnreadableFileError,
    UploadError,
    WrongShapeError,
    decode,
    fit_image,
    fit_measurement,
)
from tests.app.helpers import npy, picture

LIMIT = 10_000
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (10, 12), dtype=np.uint8)
RGB = RNG.integers(0, 256, (10, 12, 3), dtype=np.uint8)


def npz(level: int = zipfile.ZIP_STORED, **arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", level) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", npy(array))
    return stream.getvalue()


def header(text: str) -> bytes:
    """A version 1.0 .npy header with any content."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_eight_bits_map_to_minus_one_to_one(kind: str) -> None:
    np.testing.assert_allclose(decode(picture(GREY, kind), LIMIT), GREY[None] / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(decode(picture(RGB, kind), LIMIT), RGB.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)


def test_jpeg_is_read() -> None:
    smooth = np.tile(np.arange(0, 240, 20, dtype=np.uint8), (10, 1))
    array = decode(picture(smooth, "JPEG", quality=95), LIMIT)
    np.testing.assert_allclose(array, smooth[None] / 127.5 - 1, atol=0.08)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_map_by_their_range(kind: str) -> None:
    values = RNG.integers(0, 65536, (10, 12), dtype=np.uint16)
    values[0, :2] = 0, 65535
    array = decode(picture(values, kind), LIMIT)
    assert array[0, 0, 0] == -1
    assert array[0, 0, 1] == 1
    np.testing.assert_allclose(array, values[None] / 32767.5 - 1, atol=1e-6)


def test_a_float_tiff_is_taken_as_it_is() -> None:
    values = RNG.normal(size=(10, 12)).astype(np.float32) * 5
    np.testing.assert_array_equal(decode(picture(values, "TIFF"), LIMIT), values[None])


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "f2", "<i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_taken_as_they_are(dtype: str, order: str) -> None:
    values = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)
    array = decode(npy(values), LIMIT)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, values.astype(np.float32))


def test_bool_and_uint8_arrays_are_scaled_like_pictures() -> None:
    np.testing.assert_array_equal(decode(npy(np.array([False, True])), LIMIT), [-1, 1])
    np.testing.assert_array_equal(decode(npy(np.array([0, 255], dtype=np.uint8)), LIMIT), [-1, 1])


@pytest.mark.parametrize("arrays", [{"anything": GREY}, {"y": GREY, "truth": RGB}, {"measurement": GREY, "x": RGB}])
def test_an_npz_file_gives_its_measurement(arrays: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(decode(npz(**arrays), LIMIT), GREY / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.7", picture(GREY, "GIF"), b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_other_kinds_of_file_are_refused_with_the_known_ones(content: bytes) -> None:
    with pytest.raises(NotAMeasurementError, match=r"\.npy, \.npz, PNG, JPEG, TIFF"):
        decode(content, LIMIT)


@pytest.mark.parametrize("content", [picture(GREY), picture(GREY, "JPEG"), picture(RGB, "TIFF"), npy(GREY), npz(y=GREY)])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_files_are_refused(content: bytes, share: float) -> None:
    with pytest.raises(UnreadableFileError):
        decode(content[: int(len(content) * share)], LIMIT)


def test_the_payload_of_an_array_has_exactly_the_length_of_its_header() -> None:
    with pytest.raises(UnreadableFileError, match="120 bytes, got 121"):
        decode(npy(GREY) + b"\0", LIMIT)


class Bomb:
    ran = False

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (setattr, (Bomb, "ran", True))


def test_a_pickle_is_never_loaded() -> None:
    content = npy(np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableFileError, match="pickled"):
        decode(content, LIMIT)
    assert not Bomb.ran
    pickle.loads(pickle.dumps(Bomb()))
    assert Bomb.ran  # the bomb works


@pytest.mark.parametrize("dtype", ["c8", "U4", "M8[s]", [("a", "f4")], "V8"])
def test_arrays_that_are_not_real_numbers_are_refused(dtype: object) -> None:
    with pytest.raises(UnreadableFileError, match="real numbers"):
        decode(npy(np.zeros(3, dtype=dtype)), LIMIT)


@pytest.mark.parametrize(
    "content",
    [
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"),
        picture(np.zeros((200, 200), dtype=np.uint8)),
        npz(zipfile.ZIP_DEFLATED, y=np.zeros(1_000_000)),
    ],
)
def test_the_size_is_judged_before_memory_is_taken(content: bytes) -> None:
    with pytest.raises(TooManyPixelsError, match=f"at most {LIMIT}"):
        decode(content, LIMIT)


def test_a_picture_that_claims_to_be_huge_is_refused_from_its_header() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = (100_000).to_bytes(4, "big")
    content = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size + size + bytes([8, 0, 0, 0, 0]))
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(TooManyPixelsError):
        decode(content, LIMIT)


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3, -4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True,), }",
        "{'descr': '<f4', 'shape': (3,)}",
        "__import__('os').system('true')",
        "(" * 3000,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 60 + ")}",
    ],
)
def test_hostile_headers_are_refused(text: str) -> None:
    with pytest.raises(UploadError):
        decode(header(text), LIMIT)


def test_a_long_header_is_refused() -> None:
    with pytest.raises(UnreadableFileError, match="header"):
        decode(header("{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }" + " " * 30_000), LIMIT)


def test_an_npz_of_several_unnamed_arrays_is_refused_with_their_names() -> None:
    with pytest.raises(UnreadableFileError, match="got a, b"):
        decode(npz(a=GREY, b=GREY), LIMIT)


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_a_file_of_several_frames_is_refused_as_a_measurement(kind: str) -> None:
    content = picture(GREY, kind, save_all=True, append_images=[Image.fromarray(GREY[::-1].copy())])
    with pytest.raises(UnreadableFileError, match="2 frames"):
        decode(content, LIMIT)
    np.testing.assert_allclose(decode(content, LIMIT, photograph=True), GREY[None] / 127.5 - 1, atol=1e-6)


def test_transparent_pixels_are_refused_as_a_measurement_and_white_in_a_photograph() -> None:
    rgba = np.dstack([RGB, np.zeros((10, 12), dtype=np.uint8)])
    with pytest.raises(UnreadableFileError, match="transparent"):
        decode(picture(rgba), LIMIT)
    assert (decode(picture(rgba), LIMIT, photograph=True) == 1).all()
    rgba[..., 3] = 255
    np.testing.assert_allclose(decode(picture(rgba), LIMIT), RGB.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_file_breaks_the_decoder(data: st.DataObject) -> None:
    """Bytes flipped and cut at random: an array or an UploadError, nothing else."""
    content = bytearray(data.draw(st.sampled_from([picture(GREY), picture(GREY, "JPEG"), picture(RGB, "TIFF"), npy(GREY), npz(y=GREY)])))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(UploadError):
        assert decode(cut, LIMIT).dtype == np.float32


def test_a_measurement_gains_the_channel_that_is_wanted() -> None:
    grey = RNG.normal(size=(4, 5)).astype(np.float32)
    np.testing.assert_array_equal(fit_measurement(grey, (1, 4, 5)), grey[None])
    np.testing.assert_array_equal(fit_measurement(np.stack([grey] * 3), (1, 4, 5)), grey[None])
    colour = RNG.normal(size=(3, 4, 5)).astype(np.float32)
    assert fit_measurement(colour, (1, 4, 5)).shape == (3, 4, 5)
    assert fit_measurement(grey, (4, 5)).shape == (4, 5)


def test_a_photograph_is_cropped_about_its_centre() -> None:
    wide = np.full((1, 8, 24), -1, dtype=np.float32)
    wide[:, :, 8:16] = 0.5
    np.testing.assert_allclose(fit_image(wide, (1, 8, 8)), 0.5, atol=1e-6)
    np.testing.assert_allclose(fit_image(wide.transpose(0, 2, 1), (1, 4, 4)), 0.5, atol=0.2)


def test_a_photograph_gets_the_channels_of_the_prior() -> None:
    colour = np.stack([np.full((8, 8), value, dtype=np.float32) for value in (1.0, 0.0, -1.0)])
    np.testing.assert_allclose(fit_image(colour, (1, 4, 4)), 0.299 - 0.114, atol=1e-6)
    grey = np.full((8, 8), 0.25, dtype=np.float32)
    np.testing.assert_allclose(fit_image(grey, (3, 4, 4)), np.full((3, 4, 4), 0.25), atol=1e-6)
    np.testing.assert_allclose(fit_image(colour.transpose(1, 2, 0), (3, 8, 8)), colour)


@pytest.mark.parametrize("array", [np.zeros((2, 8, 8)), np.zeros(5), np.zeros((1, 0, 8)), np.full((1, 8, 8), np.nan)])
def test_what_is_no_photograph_is_refused(array: np.ndarray) -> None:
    with pytest.raises(WrongShapeError, match="expected"):
        fit_image(array.astype(np.float32), (1, 4, 4))
