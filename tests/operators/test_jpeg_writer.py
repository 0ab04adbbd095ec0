"""Coefficients written as a file: read again they are the same, and another decoder understands it."""

import numpy as np
import pytest
import torch

from operators import BlindDeblurJPEG
from operators.jpeg import FACTORS, Component, JPEGCoefficients, UnsupportedJPEGError, encode, read_jpeg, write_jpeg
from tests.operators.jpegs import decoded, jpeg, picture, samples


def assert_same(one, other):
    assert (one.height, one.width) == (other.height, other.width)
    for a, b in zip(one.components, other.components, strict=True):
        assert a.sampling == b.sampling
        assert np.array_equal(a.quantisation, b.quantisation)
        assert np.array_equal(a.coefficients, b.coefficients)


@pytest.mark.parametrize("size", [(32, 48), (21, 43)])
@pytest.mark.parametrize(("channels", "factors"), [(1, (1, 1)), *((3, f) for f in FACTORS.values())])
def test_a_written_file_is_read_as_it_was_and_decoded_by_pillow(size, channels, factors):
    image = torch.from_numpy(picture(*size, channels=channels)).reshape(*size, channels).movedim(2, 0) / 127.5 - 1
    ours = encode(image, 60, factors)
    content = write_jpeg(ours)
    assert_same(read_jpeg(content), ours)
    shown = decoded(content).reshape(*size, channels)
    assert np.abs(samples(ours.components[0]).clip(0, 255)[: size[0], : size[1]] - shown[..., 0]).max() < 1.01


@pytest.mark.parametrize("options", [{"quality": 100}, {"quality": 5}, {"subsampling": "4:2:0"}, {"qtables": [list(range(1, 65))] * 2}])
def test_pillows_files_are_written_again_with_the_same_numbers(options):
    read = read_jpeg(jpeg(picture(24, 40, channels=3), **options))
    assert_same(read_jpeg(write_jpeg(read)), read)


def block(at, value, table=1):
    coefficients = np.zeros((1, 1, 8, 8), np.int32)
    coefficients[0, 0][at] = value
    return JPEGCoefficients((Component(coefficients, np.full((8, 8), table, np.int32), (1, 1)),), 8, 8)


@pytest.mark.parametrize(("at", "value"), [((0, 0), 2047), ((0, 0), -2047), ((7, 7), 1023), ((7, 7), -1023), ((0, 1), -1)])
def test_the_largest_coefficients_and_long_runs_of_zeros(at, value):
    assert_same(read_jpeg(write_jpeg(block(at, value))), block(at, value))


def test_tables_of_more_than_eight_bits():
    assert_same(read_jpeg(write_jpeg(block((0, 0), 3, table=300))), block((0, 0), 3, table=300))


@pytest.mark.parametrize(("at", "value", "most"), [((0, 0), 2048, 11), ((7, 7), 1024, 10)])
def test_coefficients_of_no_8_bit_image_are_refused(at, value, most):
    with pytest.raises(UnsupportedJPEGError, match=f"at most {most} bits, as 8-bit images have, got {value}"):
        write_jpeg(block(at, value))


@pytest.mark.parametrize(("shape", "subsampling"), [((1, 32, 32), "4:4:4"), *(((3, 32, 32), name) for name in FACTORS)])
def test_a_simulated_measurement_as_a_file_is_the_same_measurement(shape, subsampling):
    model = BlindDeblurJPEG(shape, quality=70, subsampling=subsampling)
    y = model.simulate(torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1, seed=0)
    suffix, content = model.write_file(y)
    again, parameters = BlindDeblurJPEG.read_file(content, shape)
    assert suffix == ".jpg"
    assert torch.equal(again, y)
    same = BlindDeblurJPEG(shape, **parameters)
    assert torch.equal(same.noise.scaling.step.value, model.noise.scaling.step.value)
    assert same.transform.output_shape == model.transform.output_shape
