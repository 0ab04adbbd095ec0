"""PCS kernels against closed forms."""

from dataclasses import replace

import pytest
import torch

import operators
from dpnp import UnsupportedError
from dpnp.consistency import HMC, MALA, PerturbAndSolve, SpectralGaussian, consistency_sampler
from dpnp.rng import SampleStreams
from operators.maps import DenseMap, Map
from tests.statistics import assert_moments, mean_z

D, ETA, STD = 5, 0.4, 0.3


def problem(m=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    model = operators.Linear(torch.randn(m, D, generator=g, dtype=torch.float64), STD, (1, 1, D))
    x_k = torch.randn(1, 1, 1, D, generator=g, dtype=torch.float64)
    return model, model.simulate(x_k[0] + 0.5, seed=1), x_k


def exact_moments(model, y, x_k, eta=ETA):
    a = model.matrix
    covariance = torch.linalg.inv(torch.eye(D, dtype=torch.float64) / eta**2 + a.T @ a / STD**2)
    return covariance @ (x_k.flatten() / eta**2 + a.T @ y / STD**2), covariance


def draws(sampler, x_k, n, eta=ETA, seed=0):
    streams = SampleStreams(seed, range(n), dtype=torch.float64)
    return sampler.draw(x_k.expand(n, -1, -1, -1), eta, sampler.init(n), streams)


@pytest.mark.parametrize("m", [1, 3, 5, 8])
def test_exact_draws_have_the_closed_forms_moments(m):
    model, y, x_k = problem(m)
    for sampler in (SpectralGaussian(model.map.svd(), y, STD), PerturbAndSolve(model.map, y, STD)):
        assert_moments(draws(sampler, x_k, 20_000).x, *exact_moments(model, y, x_k))


def test_exact_draws_of_super_resolution_match_the_dense_matrix():
    shape = (1, 8, 8)
    model = operators.SuperResolution(image_shape=shape, factor=4, noise_std=STD)
    basis = torch.eye(64, dtype=torch.float64).reshape(64, *shape)
    dense = DenseMap(model.map(basis).flatten(1).T, shape)
    x_k = torch.randn(6, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = model.simulate(x_k[0], seed=0)
    ours = SpectralGaussian(model.map.svd(), y, STD)
    theirs = SpectralGaussian(dense.svd(), y.flatten(), STD)
    for eta in (0.05, 1.0, 10.0):
        a, b = (s.draw(x_k, eta, {}, SampleStreams(0, range(6), dtype=torch.float64)).x for s in (ours, theirs))
        assert torch.allclose(a, b, atol=1e-9)


def test_mala_has_the_closed_forms_moments():
    model, y, x_k = problem()
    result = draws(MALA(model, y, steps=60), x_k, 2000)
    assert_moments(result.x, *exact_moments(model, y, x_k))
    assert result.info["acceptance"].mean() == pytest.approx(0.57, abs=0.12)


def test_mala_without_its_metropolis_test_is_visibly_wrong():
    model, y, x_k = problem()
    _, covariance = exact_moments(model, y, x_k)
    large = {"log_time": torch.full((1000,), -0.5, dtype=torch.float64)}
    streams = SampleStreams(0, range(1000), dtype=torch.float64)
    unadjusted = replace(MALA(model, y, steps=60, adapt=0.0), metropolis=False)
    x = unadjusted.draw(x_k.expand(1000, -1, -1, -1), ETA, large, streams).x.flatten(1)
    assert not torch.isfinite(x).all() or (torch.cov(x.T).diag() / covariance.diag()).max() > 1.3


def test_mala_adapts_every_chain_by_itself():
    model, y, x_k = problem()
    sampler = MALA(model, y, steps=40)
    together = draws(sampler, x_k, 6)
    streams = SampleStreams(0, [4], dtype=torch.float64)
    alone = sampler.draw(x_k, ETA, sampler.init(1), streams)
    assert torch.allclose(together.x[4], alone.x[0], atol=1e-10)
    assert torch.allclose(together.memory["log_time"][4], alone.memory["log_time"][0])
    assert together.memory["log_time"].std() > 0


def test_the_exponential_integrator_is_exact_without_a_likelihood():
    """With a flat likelihood every proposal is a draw of the quadratic part's own flow: accepted always."""
    model = operators.Linear(torch.zeros(1, D, dtype=torch.float64), STD, (1, 1, D))
    _, _, x_k = problem()
    result = draws(MALA(model, torch.zeros(1, dtype=torch.float64), steps=20), x_k, 2000)
    assert torch.allclose(result.info["acceptance"], torch.ones(2000, dtype=torch.float64))
    assert_moments(result.x, x_k.flatten(), ETA**2 * torch.eye(D, dtype=torch.float64))


def test_structure_picks_the_sampler():
    model, y, _ = problem()
    assert isinstance(consistency_sampler(model, y, "auto", 40), SpectralGaussian)
    assert isinstance(consistency_sampler(model, y, "exact", 40), SpectralGaussian)
    assert isinstance(consistency_sampler(model, y, "mala", 40), MALA)


def test_exact_is_refused_without_the_structure():
    model, y, _ = problem()

    class Nonlinear(Map):
        image_shape, output_shape = model.image_shape, model.measurement_shape

        def __call__(self, x):
            return model.map(x).sin()

    class Sine(operators.ForwardModel):
        image_shape = model.image_shape
        map, noise = Nonlinear(), model.noise

    with pytest.raises(UnsupportedError, match="Sine has no exact"):
        consistency_sampler(Sine(), y, "exact", 40)
    assert isinstance(consistency_sampler(Sine(), y, "auto", 40), HMC)


def test_power_of_the_moment_check():
    model, y, x_k = problem()
    off = draws(SpectralGaussian(model.map.svd(), y, 1.1 * STD), x_k, 20_000).x.flatten(1)
    assert mean_z(off, exact_moments(model, y, x_k)[0]).max() > 4.5
