"""JPEG as the noise model of any map whose output is a picture."""

import pytest
import torch
from pydantic import ValidationError

import operators
from operators.jpeg import standard_tables

JPEG = {"kind": "jpeg"}


def composed(shape, physics, **jpeg):
    return operators.build("composed", {"physics": physics, "observation": JPEG | jpeg}, shape)


def test_the_measurement_is_what_jpeg_keeps_of_the_maps_output():
    model = composed((3, 32, 64), {"kind": "bicubic", "factor": 2}, quality=60, subsampling="4:2:0", noise_std=0.05)
    low = operators.SuperResolution((3, 32, 64), factor=2).map
    alone = operators.BlindDeblurJPEG((3, 16, 32), quality=60, subsampling="4:2:0", noise_std=0.05, kernel=[[1]])
    x = torch.rand(3, 32, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    y = model.simulate(x, seed=3)
    assert y.shape == model.measurement_shape == (16 * 32 + 2 * 8 * 16,)
    assert torch.equal(y, alone.simulate(low(x[None])[0], seed=3))
    assert torch.equal(model.log_likelihood(x, y), alone.log_likelihood(low(x[None])[0], y))


def test_it_is_simulated_in_double_precision():
    model = composed((1, 64, 64), {"kind": "identity"}, table=[[1] * 8] * 8, noise_std=0.02)
    x = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y = model.simulate(x, seed=0)
    assert y.dtype == torch.float32
    assert torch.equal(y.double(), model.simulate(x.double(), seed=0))


def test_a_quality_stands_for_its_tables():
    luma, chroma = (table.tolist() for table in standard_tables(35))
    ours, given = (
        composed((3, 8, 8), {"kind": "identity"}, **p) for p in ({"quality": 35}, {"table": luma, "chroma_tables": [chroma] * 2})
    )
    assert torch.equal(ours.noise.scaling.step.value, given.noise.scaling.step.value)


@pytest.mark.parametrize(
    ("shape", "physics", "jpeg", "words"),
    [
        ((1, 24, 24), {"kind": "bicubic", "factor": 2}, {}, r"what the map puts out: .*multiples of 8 and 8, got \(1, 12, 12\)"),
        ((3, 16, 16), {"kind": "bicubic", "factor": 2}, {"subsampling": "4:2:0"}, r"multiples of 16 and 16, got \(3, 8, 8\)"),
        ((2, 8, 8), {"kind": "identity"}, {}, r"grey images \(1, H, W\) or RGB images \(3, H, W\), got \(2, 8, 8\)"),
        ((1, 8, 8), {"kind": "identity"}, {"subsampling": "4:2:0"}, r"of colour images \(3, H, W\), got grey ones"),
        ((1, 8, 8), {"kind": "identity"}, {"table": [[1] * 7] * 8}, "8 rows of 8 numbers"),
        ((1, 8, 8), {"kind": "fourier_magnitude"}, {}, r"a map whose output is a picture, got .* shape \(1, 16, 16\)"),
        ((1, 8, 8), {"kind": "matrix", "rows": [[1] * 64] * 64}, {}, r"a map whose output is a picture, got .* shape \(64,\)"),
    ],
)
def test_what_jpeg_is_not_of_is_a_shape_error(shape, physics, jpeg, words):
    with pytest.raises(operators.ShapeError, match=words):
        composed(shape, physics, **jpeg)


@pytest.mark.parametrize("jpeg", [{"quality": 0}, {"quality": 101}, {"noise_std": 0}, {"table": [[1] * 8] * 7}, {"subsampling": "4:1:1"}])
def test_bad_parameters_are_named(jpeg):
    with pytest.raises(ValidationError, match=rf"observation\.jpeg\.{next(iter(jpeg))}"):
        composed((1, 8, 8), {"kind": "identity"}, **jpeg)


def test_other_numbers_than_a_files_are_refused():
    model = composed((1, 16, 16), {"kind": "bicubic", "factor": 2})
    with pytest.raises(operators.MeasurementError, match="whole numbers, the coefficients of a JPEG file, got 64 of 64"):
        model.check_measurement(torch.full((1, 1, 8, 8), 0.5))
    with pytest.raises(operators.ShapeError, match=r"\(1, 1, 8, 8\).* got \(1, 8, 8\)"):
        model.check_measurement(torch.zeros(1, 8, 8))
