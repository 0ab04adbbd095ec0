"""Exact consistency draws entry by entry, against integrals on a fine grid."""

import pytest
import torch

import operators
from dpnp.consistency import MALA, EntrywiseExact, consistency_sampler
from dpnp.consistency.entrywise import Augmented
from dpnp.consistency.logconcave import SLACK, LogConcave, Target
from dpnp.rng import SampleStreams
from operators.maps import DenseMap
from operators.noise import Quantizer
from tests.statistics import mean_z

SHAPE = (1, 2, 3)
X_K = torch.tensor([[[-1.5, -0.3, 0.0], [0.4, 1.0, 2.0]]], dtype=torch.float64)
CASES = [
    ({"dither": "gaussian"}, Augmented),
    ({}, LogConcave),
    ({"dither": "gaussian", "bits": 3, "tau": 0.1}, Augmented),
    ({"bits": 2, "tau": 0.1}, LogConcave),
    ({"looks": 4}, LogConcave),
    ({"looks": 4, "dither": "gaussian"}, LogConcave),
]


def draw(model, y, eta, n, seed=0):
    sampler = consistency_sampler(model, y, "exact", 40)
    streams = SampleStreams(seed, range(n), dtype=torch.float64)
    return sampler.draw(X_K.expand(n, *SHAPE), eta, sampler.init(n), streams).x


def exact_moments(noise, y, eta):
    """Mean and variance of every pixel by the trapezoidal rule."""
    grid = torch.linspace(-20, 20, 20_001, dtype=torch.float64) * eta
    x = X_K + grid.reshape(-1, 1, 1, 1)
    log_density = noise.log_prob_entries(y[None], x) - 0.5 * (grid.reshape(-1, 1, 1, 1) / eta).square()
    weights = torch.softmax(log_density, dim=0)
    mean = (weights * x).sum(0)
    return mean.flatten(), (weights * (x - mean).square()).sum(0).flatten()


@pytest.mark.parametrize("eta", [0.1, 0.6, 10.0])
@pytest.mark.parametrize(("parameters", "law"), CASES)
def test_draws_follow_the_target(parameters, law, eta):
    model = operators.Quantization(image_shape=SHAPE, **parameters)
    y = model.simulate(-X_K / 2, seed=0)
    assert isinstance(consistency_sampler(model, y, "auto", 40).law, law)
    x = draw(model, y, eta, 3000).flatten(1)
    mean, variance = exact_moments(model.noise, y, eta)
    assert mean_z(x, mean).max() < 4.5
    assert mean_z((x - mean).square(), variance).max() < 4.5


@pytest.mark.parametrize("eta", [0.1, 0.6])
@pytest.mark.parametrize("parameters", [{"dither": "gaussian"}, {}, {"looks": 4}])
def test_with_the_split_draws_see_the_noise_that_is_left(parameters, eta):
    model = operators.Quantization(image_shape=SHAPE, **parameters)
    y = model.simulate(-X_K / 2, seed=0)
    sampler = consistency_sampler(model, y, "exact", 40, split=True)
    x = sampler.draw(X_K.expand(3000, *SHAPE), eta, {}, SampleStreams(0, range(3000), dtype=torch.float64)).x.flatten(1)
    mean, variance = exact_moments(model.noise.without(eta), y, eta)
    assert mean_z(x, mean).max() < 4.5
    assert mean_z((x - mean).square(), variance).max() < 4.5


@pytest.mark.parametrize("eta", [0.01, 0.6, 10.0])
@pytest.mark.parametrize("bits", [1, 3])
def test_the_envelopes_top_is_just_above_the_mode(bits, eta):
    model = operators.Quantization(image_shape=SHAPE, bits=bits, tau=0.1)
    target = Target(model.noise, model.simulate(-X_K / 2, seed=0)[None], X_K[None], eta)
    near, top = target.mode()
    grid = X_K[None] + eta * torch.linspace(-10, 10, 200_001, dtype=torch.float64).reshape(-1, 1, 1, 1)
    highest = target.value(grid).amax(0, keepdim=True)
    assert (top >= highest - 1e-9).all()
    assert (top - target.value(near) <= SLACK).all()
    assert (top <= highest + SLACK).all()


def test_an_orthogonal_map_is_sampled_in_its_range_and_left_alone_outside():
    """Three rows of length sqrt(2): one-bit measurements of three combinations of six pixels, against a long MALA."""
    g = torch.Generator().manual_seed(0)
    rows = torch.linalg.qr(torch.randn(6, 6, generator=g, dtype=torch.float64))[0][:3] * 2**0.5

    class Rows(DenseMap):
        row_gram = 2.0

    class Combinations(operators.ForwardModel):
        image_shape = SHAPE
        map, noise = Rows(rows, SHAPE), Quantizer(0.3, "gaussian")

    model = Combinations()
    y = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    exact = draw(model, y, 0.5, 20_000).flatten(1)
    n = 3000
    chains = MALA(model, y, steps=100).draw(X_K.expand(n, *SHAPE), 0.5, {"log_time": torch.zeros(n, dtype=torch.float64)}, streams(n))
    long = chains.x.flatten(1)
    for f in (lambda x: x, lambda x: x.square()):
        error = (f(exact).var(0) / len(exact) + f(long).var(0) / n).sqrt()
        assert ((f(exact).mean(0) - f(long).mean(0)) / error).abs().max() < 4.5


def streams(n):
    return SampleStreams(3, range(n), dtype=torch.float64)


@pytest.mark.parametrize("dither", ["gaussian", "logistic"])
def test_a_sample_does_not_depend_on_the_others(dither):
    model = operators.Quantization(image_shape=SHAPE, dither=dither)
    y = model.simulate(X_K, seed=1)
    sampler = consistency_sampler(model, y, "auto", 40)
    assert isinstance(sampler, EntrywiseExact)
    alone = SampleStreams(0, [4], dtype=torch.float64)
    together = SampleStreams(0, range(6), dtype=torch.float64)
    first = [sampler.draw(X_K.expand(len(s), *SHAPE), 0.3, {}, s).x for s in (together, alone)]
    second = [sampler.draw(x, 0.3, {}, s).x for x, s in zip(first, (together, alone), strict=True)]
    assert torch.equal(first[0][4], first[1][0])
    assert torch.equal(second[0][4], second[1][0])
