"""JPEG files read coefficient by coefficient, against Pillow's decoder and against the encoder's input."""

import time

import numpy as np
import pytest
from scipy.fft import dctn

from operators.jpeg import read_jpeg
from tests.operators.jpegs import decoded, jpeg, picture, samples

SIZES = [(8, 8), (64, 64), (1, 1), (17, 31), (50, 9)]
KINDS = [
    pytest.param({}, id="baseline"),
    pytest.param({"progressive": True}, id="progressive"),
    pytest.param({"restart_marker_blocks": 3}, id="restarts"),
    pytest.param({"progressive": True, "restart_marker_rows": 1}, id="progressive-restarts"),
    pytest.param({"optimize": True}, id="optimised"),
]


def upsampled(x, axis):
    """libjpeg's triangle filter: a new sample is 3/4 its own and 1/4 the next nearest old one."""
    padded = np.pad(x, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
    before, after = (np.take(padded, np.arange(x.shape[axis]) + i, axis) for i in (0, 2))
    halves = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
    return halves.reshape([n * (2 if a == axis else 1) for a, n in enumerate(x.shape)])


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("quality", [1, 30, 75, 95, 100])
def test_grey_coefficients_are_the_decoded_picture(size, quality, options):
    data = jpeg(picture(*size), quality=quality, **options)
    read = read_jpeg(data)
    assert (read.height, read.width) == size
    (grey,) = read.components
    assert grey.coefficients.shape == (-(-size[0] // 8), -(-size[1] // 8), 8, 8)
    ours = samples(grey).clip(0, 255)[: size[0], : size[1]]
    assert np.abs(ours - decoded(data)).max() < 1.01  # the decoder rounds, after an integer transform


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("size", [(16, 16), (64, 64), (50, 41)])
@pytest.mark.parametrize(("subsampling", "factors"), [("4:4:4", (1, 1)), ("4:2:2", (2, 1)), ("4:2:0", (2, 2))])
def test_colour_coefficients_are_the_decoded_components(size, subsampling, factors, options):
    data = jpeg(picture(*size, channels=3), quality=80, subsampling=subsampling, **options)
    read = read_jpeg(data)
    assert [c.sampling for c in read.components] == [factors, (1, 1), (1, 1)]
    expected = decoded(data)
    luma, *chroma = ((samples(c).clip(0, 255)) for c in read.components)
    assert np.abs(luma[: size[0], : size[1]] - expected[..., 0]).max() < 1.01
    for i, stored in enumerate(chroma, start=1):
        plane = stored[: -(-size[0] // factors[1]), : -(-size[1] // factors[0])]
        plane = upsampled(plane, 0) if factors[1] == 2 else plane
        plane = upsampled(plane, 1) if factors[0] == 2 else plane
        assert np.abs(plane[: size[0], : size[1]] - expected[..., i]).max() < 2.01  # rounded once more after interpolation


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("quality", [10, 50, 90, 100])
def test_coefficients_are_the_encoders_rounded_transform(quality, options):
    image = picture(64, 48)
    (grey,) = read_jpeg(jpeg(image, quality=quality, **options)).components
    blocks = (image.astype(float) - 128).reshape(8, 8, 6, 8).transpose(0, 2, 1, 3)
    exact, table = dctn(blocks, axes=(2, 3), norm="ortho"), grey.quantisation
    # the encoder's integer transform is off by at most 0.15 (measured), which moves a coefficient across the edge of its cell now and then
    assert (np.abs(grey.coefficients * table - exact) <= table / 2 + 0.2).all()
    assert ((grey.coefficients != np.round(exact / table)) * table).mean() < 0.1


def test_quantisation_tables_are_the_files_own():
    table = [*range(2, 66)]
    (grey,) = read_jpeg(jpeg(picture(8, 8), qtables=[table])).components
    assert grey.quantisation.ravel().tolist() == table


def test_progressive_and_baseline_files_hold_the_same_numbers():
    image = picture(70, 90, channels=3)
    one, other = (read_jpeg(jpeg(image, quality=60, progressive=p)) for p in (False, True))
    for a, b in zip(one.components, other.components, strict=True):
        assert np.array_equal(a.coefficients, b.coefficients)
        assert np.array_equal(a.quantisation, b.quantisation)


def test_metadata_and_what_follows_the_end_are_passed_over():
    data = jpeg(picture(16, 16), comment=b"\xff\xd9 in a comment", exif=b"Exif\0\0" + bytes(50))
    padded = data.replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1) + b"trailing bytes"
    assert np.array_equal(read_jpeg(padded).components[0].coefficients, read_jpeg(data).components[0].coefficients)


@pytest.mark.slow
def test_a_large_photograph_takes_seconds():
    data = jpeg(picture(1024, 1024, channels=3), quality=75)
    started = time.process_time()
    read = read_jpeg(data)
    assert time.process_time() - started < 20
    assert read.components[0].coefficients.shape == (128, 128, 8, 8)
