"""The simulated encoder against a real one, and cells that hold the image that they came from."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import operators
from operators.jpeg import CoefficientScale, as_tensor, encode, read_jpeg, standard_tables, transform_for, transform_of
from tests.operators.jpegs import jpeg, picture

PILLOWS_NAMES = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0"}


def to_model(image):
    channels_first = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return torch.from_numpy(channels_first.copy()).double() / 127.5 - 1


@pytest.mark.parametrize("quality", range(1, 101))
def test_tables_are_pillows(quality):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    tables = Image.open(file).quantization
    for number, table in enumerate(standard_tables(quality)):
        assert table.ravel().tolist() == list(tables[number])


@pytest.mark.parametrize("quality", [0, 101])
def test_other_qualities_are_refused(quality):
    with pytest.raises(ValueError, match=f"from 1 to 100, got {quality}"):
        standard_tables(quality)


@pytest.mark.parametrize("size", [(16, 16), (64, 48), (21, 43)])
@pytest.mark.parametrize("quality", [10, 50, 95])
def test_grey_coefficients_are_pillows_but_for_its_rounding(size, quality):
    image = picture(*size)
    (ours,), (real,) = encode(to_model(image), quality).components, read_jpeg(jpeg(image, quality=quality)).components
    assert np.array_equal(ours.quantisation, real.quantisation)
    assert ours.coefficients.shape == real.coefficients.shape
    different = ours.coefficients != real.coefficients
    assert np.abs(ours.coefficients - real.coefficients).max() <= 1
    assert (different * ours.quantisation).mean() < 0.15  # its transform is off by up to 0.15 of the 1 to 100 of a table's entry


@pytest.mark.parametrize("size", [(32, 48), (21, 43)])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
def test_colour_coefficients_are_pillows_but_for_its_rounding(size, subsampling):
    image = picture(*size, channels=3)
    ours = encode(to_model(image), 75, subsampling)
    real = read_jpeg(jpeg(image, quality=75, subsampling=PILLOWS_NAMES[subsampling]))
    assert (ours.height, ours.width) == (real.height, real.width) == size
    for a, b in zip(ours.components, real.components, strict=True):
        assert a.sampling == b.sampling
        assert np.array_equal(a.quantisation, b.quantisation)
        assert a.coefficients.shape == b.coefficients.shape
        # Y, Cb and Cr are rounded to whole levels before the transform (std 0.29 each), averages once more
        error = (a.coefficients - b.coefficients) * a.quantisation
        assert np.abs(a.coefficients - b.coefficients).max() <= 1
        assert (error != 0).mean() < 0.1


@pytest.mark.parametrize(("channels", "subsampling"), [(1, (1, 1)), (3, (1, 1)), (3, (2, 1)), (3, (2, 2))])
def test_the_image_lies_in_its_cells(channels, subsampling):
    image = to_model(picture(32, 48, channels=channels)) + 0.01
    file = encode(image, 60, subsampling)
    transform = transform_of(file)
    assert transform.image_shape == (channels, 32, 48)
    scale = CoefficientScale.of(transform, [c.quantisation for c in file.components])
    coefficients = as_tensor(file, transform).double()[None]
    low, high = scale.cells(coefficients)
    transformed = transform(image[None])
    assert ((low <= transformed) & (transformed <= high)).all()
    assert torch.equal(scale.rounded(transformed), coefficients)
    assert torch.allclose(high - low, scale.step.value.expand_as(low))


@pytest.mark.parametrize(("level", "coefficient"), [(0, -1024), (128, 0), (255, 1016)])
def test_flat_grey_has_the_coefficient_of_the_standard(level, coefficient):
    flat = torch.full((1, 8, 8), level / 127.5 - 1)
    (grey,) = encode(flat, 100).components
    assert grey.coefficients[0, 0, 0, 0] == coefficient
    assert np.count_nonzero(grey.coefficients) == (coefficient != 0)


def test_flat_grey_has_no_colour():
    _, blue, red = encode(torch.full((3, 16, 16), 0.3), 100, (2, 2)).components
    assert not blue.coefficients.any()
    assert not red.coefficients.any()


def test_files_not_made_of_whole_blocks_have_no_transform():
    with pytest.raises(operators.ShapeError, match=r"got \(1, 20, 16\)"):
        transform_of(read_jpeg(jpeg(picture(20, 16))))
    assert transform_for((1, 16, 16)).output_shape == (2, 2, 8, 8)
