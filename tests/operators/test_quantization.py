"""One-bit quantised sensing."""

import math

import pytest
import torch
from pydantic import ValidationError

import operators


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
