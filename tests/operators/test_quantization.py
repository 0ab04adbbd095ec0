"""One-bit quantised sensing."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

import operators
from operators.truncated import truncated_normal


@pytest.mark.parametrize("dither", ["logistic", "gaussian"])
def test_the_share_of_ones_is_the_models_probability(dither):
    x = torch.full((1, 100, 100), 0.3, dtype=torch.float64)
    model = operators.Quantization(image_shape=(1, 100, 100), tau=0.4, dither=dither)
    y = model.simulate(x, seed=0)
    assert set(y.unique().tolist()) == {-1.0, 1.0}
    p = 1 / (1 + math.exp(-0.75)) if dither == "logistic" else 0.5 * math.erfc(-0.75 / math.sqrt(2))
    assert (y == 1).double().mean().item() == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / 10_000))


def test_the_likelihood_keeps_its_precision_far_out_in_the_tails():
    x = torch.tensor([[[-80.0, 80.0]]], dtype=torch.float64)
    y = torch.tensor([[[1.0, 1.0]]], dtype=torch.float64)
    logistic = operators.Quantization(image_shape=(1, 1, 2), tau=0.4)
    gaussian = operators.Quantization(image_shape=(1, 1, 2), tau=0.4, dither="gaussian")
    assert logistic.log_likelihood(x, y).item() == pytest.approx(-200)
    assert gaussian.log_likelihood(x, y).item() == pytest.approx(-0.5 * 200**2 - math.log(200 * math.sqrt(2 * math.pi)), rel=1e-6)


def test_other_values_than_the_two_are_refused():
    model = operators.Quantization(image_shape=(1, 2, 2))
    model.check_measurement(torch.tensor([[[1.0, -1.0], [1.0, 1.0]]]))
    with pytest.raises(operators.MeasurementError, match=r"-1 or \+1 in the measurement, got 2 of 4"):
        model.check_measurement(torch.tensor([[[1.0, 0.0], [0.5, 1.0]]]))


@pytest.mark.parametrize("parameters", [{"tau": 0}, {"dither": "uniform"}, {"tau": float("inf")}])
def test_bad_parameters_are_named(parameters):
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        operators.build("quantization", parameters, (1, 4, 4))


def test_bits_and_looks_are_what_they_say():
    model = operators.Quantization(image_shape=(1, 30, 40), tau=0.05, dither="gaussian", bits=2, looks=5)
    assert model.measurement_shape == (5, 1, 30, 40)
    y = model.simulate(torch.full((1, 30, 40), -0.8, dtype=torch.float64), seed=0)
    assert set(y.unique().tolist()) <= {-1.0, -1 / 3, 1 / 3, 1.0}
    below = 0.5 * math.erfc((-0.5 + 0.8) / 0.05 / math.sqrt(2))
    assert (y > -1).double().mean().item() == pytest.approx(below, abs=4.5 * math.sqrt(below / y.numel()) + 1e-9)
    model.check_measurement(y)
    with pytest.raises(operators.MeasurementError, match=r"4 equally spaced levels.*got 1 of 6000"):
        model.check_measurement(torch.where(torch.arange(6000).reshape(y.shape) == 7, 0.1, y))


def through_a_picture(y):
    """As an 8-bit PNG file keeps it."""
    file = io.BytesIO()
    Image.fromarray(((y[0].numpy() + 1) * 127.5).round().astype(np.uint8)).save(file, "PNG")
    return torch.from_numpy(np.array(Image.open(file), dtype=np.float32) / 127.5 - 1)[None]


@pytest.mark.parametrize("bits", range(1, 9))
def test_an_8_bit_picture_is_the_measurement_at_any_number_of_bits(bits):
    model = operators.Quantization(image_shape=(1, 16, 32), tau=0.1, bits=bits)
    x = torch.linspace(-1, 1, 512).reshape(1, 16, 32)
    y = model.noise.encode(x)
    assert len(y.unique()) == 2**bits
    seen = through_a_picture(y)
    model.check_measurement(seen)
    assert all(map(torch.equal, model.noise.cells(seen), model.noise.cells(y)))
    assert torch.allclose(model.residual(x, seen), model.residual(x, y), rtol=1e-4)


@pytest.mark.parametrize("bits", range(1, 8))
def test_a_picture_with_another_grey_level_is_refused(bits):
    model = operators.Quantization(image_shape=(1, 16, 16), bits=bits)
    greys = torch.arange(256).reshape(1, 16, 16)
    with pytest.raises(operators.MeasurementError, match=f"got {256 - 2**bits} of 256"):
        model.check_measurement(greys / 127.5 - 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("u", [0.0, 1.0])
def test_a_truncated_normal_is_finite_at_the_ends_of_the_uniform_numbers(dtype, u):
    far = torch.tensor([-torch.inf, 5.56, -5.7, -torch.inf, 40.0], dtype=dtype)
    end = torch.tensor([5.0, torch.inf, -5.56, torch.inf, torch.inf], dtype=dtype)
    draw = truncated_normal(torch.zeros((), dtype=dtype), 1.0, far, end, torch.full((5,), u, dtype=dtype))
    assert torch.isfinite(draw).all()
    assert ((draw >= far) & (draw <= end)).all()
    assert draw.abs().max() < 41


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_truncated_normals_are_right_far_out_in_the_tail(dtype):
    """At 30 standard deviations the law is nearly exponential: mean 30 + 1/30 to leading orders."""
    n = 100_000
    u = torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=dtype)
    low, high = torch.tensor(30.0, dtype=dtype), torch.tensor(math.inf, dtype=dtype)
    excess = (truncated_normal(torch.zeros((), dtype=dtype), 1.0, low, high, u) - 30).double()
    assert (excess >= 0).all()
    assert excess.mean().item() == pytest.approx(1 / 30 - 2 / 30**3, abs=4.5 * excess.std().item() / n**0.5)
    mirrored = truncated_normal(torch.zeros((), dtype=dtype), 1.0, -high, -low, u)
    assert torch.allclose(mirrored, -(30 + excess.to(dtype)))
