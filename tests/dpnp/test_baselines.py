"""DPS and LGD-MC: the algorithms as published, and the same contract as DPnP."""

import math

import pytest
import torch
from pydantic import ValidationError

import dpnp
from bench._problems import LinearProblem, gaussian_prior, moments
from dpnp.baselines.vp import ladder
from tests.statistics import assert_moments


@pytest.fixture
def problem():
    return LinearProblem.random(gaussian_prior(4), m=2, noise_std=0.3)


def test_the_ladder_is_ddpms():
    rungs = ladder(1000)
    assert len(rungs) == 1000
    assert 1 - rungs[0].alpha == pytest.approx(0.02)
    assert 1 - rungs[-1].alpha == pytest.approx(1e-4)
    assert rungs[-1].abar_next == 1.0
    assert rungs[0].sigma > 100, "starts at pure noise"
    short = ladder(50)
    assert len(short) == 50
    assert math.prod(r.alpha for r in short) == pytest.approx(rungs[0].abar)


@pytest.mark.parametrize("sampler", [dpnp.DPS(n_steps=300, step_size=0), dpnp.LGDMC(n_steps=300, step_size=0, n_draws=1)])
def test_without_guidance_they_sample_the_prior(problem, sampler):
    post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=800)
    assert post.nfe == 300
    assert_moments(post.samples, *moments(problem.prior))


def test_dps_takes_the_published_gradient_step_per_sample(problem):
    """One step against algorithm 1 written out with one image at a time."""
    kernel = dpnp.DPS(n_steps=10, step_size=0.7).kernel(problem.prior, problem.model, problem.y)
    plain = dpnp.DPS(n_steps=10, step_size=0.0).kernel(problem.prior, problem.model, problem.y)
    streams = [dpnp.rng.SampleStreams(0, range(3), dtype=torch.float64) for _ in range(2)]
    start = kernel.init(streams[0])
    plain.init(streams[1])
    guided, _ = kernel.step(start, streams[0])
    free, _ = plain.step(start, streams[1])
    rung = ladder(10)[0]
    for i in range(3):
        x = start.x[i : i + 1].clone().requires_grad_(True)
        clean = problem.prior.denoise(x / math.sqrt(rung.abar), torch.tensor([rung.sigma], dtype=torch.float64))
        norm = torch.linalg.norm(problem.y - problem.model.matrix @ clean.flatten())
        (gradient,) = torch.autograd.grad(norm, x)
        assert torch.allclose(free.x[i : i + 1] - guided.x[i : i + 1], 0.7 * gradient, atol=1e-10)


def test_lgdmc_with_many_draws_follows_the_smoothed_likelihood(problem):
    """The Monte Carlo gradient tends to that of log N(y; A D(x_t), std² I + r² A A^T)."""
    kernel = dpnp.LGDMC(n_steps=10, n_draws=1000).kernel(problem.prior, problem.model, problem.y)
    rung, copies = ladder(10)[6], 16
    streams = dpnp.rng.SampleStreams(0, range(copies), dtype=torch.float64)
    image = problem.posterior.sample(1, torch.Generator().manual_seed(0))
    clean = image.repeat(copies, 1, 1, 1).requires_grad_(True)
    (gradients,) = torch.autograd.grad(kernel.objective(clean, rung, streams).sum(), clean)
    r = rung.sigma / math.sqrt(1 + rung.sigma**2)
    a = problem.model.matrix
    covariance = 0.09 * torch.eye(2, dtype=torch.float64) + r**2 * a @ a.T
    exact = a.T @ torch.linalg.solve(covariance, problem.y - a @ image.flatten())
    # each copy is a self-normalised estimate with a bias of the order of its squared error, 1/1000 of the gradient's scale squared
    error = gradients.flatten(1).std(0) / copies**0.5
    assert ((gradients.flatten(1).mean(0) - exact).abs() < 4.5 * error + 0.01 * exact.abs().max()).all()


def test_they_keep_the_contract_of_samples(problem):
    for sampler in (dpnp.DPS(n_steps=20, step_size=0.1), dpnp.LGDMC(n_steps=20)):
        whole = dpnp.sample(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=5, seed=2)
        alone = dpnp.sample(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=2, seed=2, batch_size=1)
        assert torch.allclose(whole.samples[:2], alone.samples, atol=1e-9)
        assert whole.diagnostics["gradient_calls"] == 20


def test_a_step_size_that_is_far_too_large_is_an_error(problem):
    with pytest.raises(dpnp.DivergedError, match="the chain diverged"):
        dpnp.sample(problem.prior, problem.model, problem.y, sampler=dpnp.LGDMC(n_steps=50, step_size=1e300), n_samples=2)


@pytest.mark.parametrize("parameters", [{"n_steps": 0}, {"n_steps": 1001}, {"step_size": -1}, {"zeta": 1}])
def test_bad_settings_are_named(parameters):
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        dpnp.samplers.build("dps", parameters)
