"""Posteriors under a physics object, and under maps with a constant, against the same problem in our own terms."""

import math

import pytest
import torch

import dpnp
import operators
from dpnp.consistency import PerturbAndSolve, SpectralGaussian, consistency_sampler
from dpnp.consistency.metric import SpectralMetric, metric_for
from dpnp.rng import SampleStreams
from dpnp.schedule import default_eta_min
from dpnp.smoothed import GaussianSmoothed, smoothed_likelihood
from operators.maps import AffineMap
from operators.noise import GaussianNoise
from tests.operators.toy_physics import MapPhysics, MatrixPhysics
from tests.statistics import assert_moments

SHAPE = (1, 8, 8)
SAMPLER = dpnp.DPnP(n_iterations=6, denoising_steps=5, eta_min=0.1)


def numbers(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian_prior():
    root = numbers((64, 64), seed=3) / 16
    return dpnp.priors.Gaussian(0.2 * numbers(64, seed=4), root @ root.T + 0.05 * torch.eye(64, dtype=torch.float64), SHAPE)


def blurs():
    """A blur of our own, without a thin SVD, and the same as a physics of images in [0, 1], whose measurements are half as large."""
    ours = operators.build(
        "composed", {"physics": {"kind": "blur", "std": 0.8, "boundary": "reflect"}, "observation": {"kind": "gaussian", "std": 0.1}}, SHAPE
    )
    return ours, operators.DeepInv(MapPhysics(ours.map), SHAPE, (0, 1), GaussianNoise(0.05))


def test_the_likelihood_is_our_own_maps():
    ours, theirs = blurs()
    x = 0.3 * numbers((3, *SHAPE))
    y = ours.simulate(x, seed=1)
    scale = 64 * math.log(2)  # of dy
    assert torch.allclose(theirs.log_likelihood(x, (y + 1) / 2), ours.log_likelihood(x, y) + scale, rtol=1e-12)
    assert torch.allclose(theirs.residual(x, (y + 1) / 2), ours.residual(x, y))


@pytest.mark.parametrize(
    "sampler", [SAMPLER, dpnp.DPnP(n_iterations=4, denoising_steps=4, eta_min=0.1, consistency="mala"), dpnp.LGDMC(n_steps=30)]
)
def test_the_samples_are_our_own_maps(sampler):
    ours, theirs = blurs()
    y = ours.simulate(0.3 * numbers(SHAPE), seed=1)
    a = dpnp.sample(gaussian_prior(), ours, y, sampler=sampler, n_samples=3, seed=5)
    b = dpnp.sample(gaussian_prior(), theirs, (y + 1) / 2, sampler=sampler, n_samples=3, seed=5)
    assert torch.allclose(a.samples, b.samples, atol=1e-7)
    assert abs(a.diagnostics["data_residual"] - b.diagnostics["data_residual"]) < 1e-7
    wrong = dpnp.sample(gaussian_prior(), theirs, y, sampler=sampler, n_samples=3, seed=5)
    assert not torch.allclose(a.samples, wrong.samples, atol=1e-2)


def test_exact_draws_have_the_closed_forms_moments():
    shape, eta, std = (1, 1, 5), 0.4, 0.3
    physics = MatrixPhysics(3, shape).double()
    model = operators.DeepInv(physics, shape, (0, 10), GaussianNoise(std))
    x_k = numbers((1, *shape))
    y = model.simulate(x_k[0] + 0.5, seed=1)
    sampler = consistency_sampler(model, y, "exact", 40)
    assert isinstance(sampler, PerturbAndSolve)
    draws = sampler.draw(x_k.expand(20_000, *shape), eta, {}, SampleStreams(0, range(20_000), dtype=torch.float64)).x
    a = 5 * physics.matrix  # u = 5 + 5 x
    covariance = torch.linalg.inv(torch.eye(5, dtype=torch.float64) / eta**2 + a.T @ a / std**2)
    assert_moments(draws, covariance @ (x_k.flatten() / eta**2 + a.T @ (y - a.sum(1)) / std**2), covariance)


def test_a_constant_is_taken_from_the_measurement_everywhere():
    ours = operators.Linear(numbers((20, 64)) / 8, 0.1, SHAPE)
    offset = numbers(20, seed=2)

    class Shifted(operators.ForwardModel):
        image_shape = SHAPE
        map, noise = AffineMap(ours.map, offset), ours.noise

    shifted = Shifted()
    y = ours.simulate(0.3 * numbers(SHAPE), seed=1)
    x = numbers((3, *SHAPE), seed=6)
    assert torch.allclose(shifted.log_likelihood(x, y + offset), ours.log_likelihood(x, y))
    a, b = (smoothed_likelihood(model, data, 1) for model, data in ((ours, y), (shifted, y + offset)))
    assert isinstance(b, GaussianSmoothed)
    assert torch.allclose(a.log_density(x, 0.3), b.log_density(x, 0.3))
    c, d = (consistency_sampler(model, data, "auto", 1) for model, data in ((ours, y), (shifted, y + offset)))
    assert isinstance(d, SpectralGaussian)
    e, f = (sampler.draw(x, 0.3, {}, SampleStreams(0, range(3), dtype=torch.float64)).x for sampler in (c, d))
    assert torch.allclose(e, f)
    assert isinstance(metric_for(shifted), SpectralMetric)
    assert default_eta_min(shifted, split=True) == default_eta_min(ours, split=True)


def test_the_last_eta_goes_by_the_physics_gain():
    physics = MatrixPhysics(40, SHAPE).double()
    largest = torch.linalg.matrix_norm(physics.matrix, 2).item()
    model = operators.DeepInv(physics, SHAPE, (0, 255), GaussianNoise(25.0))
    last = default_eta_min(model, split=False)
    assert abs(last - 0.5 * 25 / (127.5 * largest)) < 0.05 * 0.5 * 25 / (127.5 * largest)
    assert 0.05 < last < 0.15
    noisy = operators.DeepInv(physics, SHAPE, (0, 255), GaussianNoise(1e5))
    assert dpnp.DPnP().kernel(gaussian_prior(), noisy, torch.zeros(40)).etas[-1] == pytest.approx(0.15), "nothing is split"
