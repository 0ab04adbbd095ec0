"""Several draws per chain, and what the diagnostics say of them."""

import arviz
import numpy as np
import pytest
import torch

import dpnp
from bench._problems import LinearProblem, gaussian_prior, mixture_prior, moments
from dpnp.diagnostics import doubts, mixing

ETA = 0.5


@pytest.fixture
def problem():
    return LinearProblem.random(gaussian_prior(4), m=2, noise_std=0.3)


def long_run(problem, chains=8, **options):
    settings = {
        "n_iterations": 10,
        "eta_min": ETA,
        "denoising_steps": 16,
        "burn_in": 20,
        "draws_per_chain": 60,
        "thinning": 2,
        "split_noise": False,
    }
    return dpnp.sample(problem.prior, problem.model, problem.y, sampler=dpnp.DPnP(**{**settings, **options}), n_samples=chains)


def test_the_long_run_has_the_moments_of_pi_eta_within_its_own_monte_carlo_error(problem):
    post = long_run(problem)
    assert post.samples.shape == (480, 1, 1, 4)
    assert post.nfe == (10 + 20 + 59 * 2) * 16
    x = post.to_arviz().posterior["x"]
    assert x.shape == (8, 60, 1, 1, 4)
    mean, covariance = moments(problem.stationary(ETA))
    squares = (x - mean.numpy().reshape(1, 1, 4)) ** 2
    for name, draws, exact in (("mean", x, mean), ("variance", squares, covariance.diag())):
        error = arviz.mcse(draws.to_dataset(name="x"))["x"].values.ravel()
        deviation = np.abs(draws.mean(("chain", "draw")).values.ravel() - exact.numpy())
        assert (deviation < 4 * error).all(), name
    assert post.diagnostics["r_hat_max"] < 1.05
    assert post.diagnostics["ess_bulk_min"] > 100


def test_draws_are_the_chains_own_states_in_order(problem):
    whole = long_run(problem, chains=3, draws_per_chain=4)
    alone = long_run(problem, chains=1, draws_per_chain=4)
    shorter = long_run(problem, chains=3, draws_per_chain=1)
    assert torch.allclose(whole.samples[:4], alone.samples, atol=1e-9)
    assert torch.allclose(whole.samples[::4], shorter.samples, atol=1e-9), "the first kept draw follows the burn-in"


def test_chains_that_have_not_mixed_are_reported_in_words():
    """Separated modes at a small eta: chains stay where they fell."""
    problem = LinearProblem.random(mixture_prior(8, 6, seed=0), m=1, noise_std=0.3)
    post = long_run(problem, eta_min=0.1, burn_in=0, thinning=1, draws_per_chain=20)
    assert post.diagnostics["r_hat_max"] > 1.2
    assert any("have not mixed" in sentence for sentence in post.warnings)


def test_too_few_draws_say_nothing_of_mixing_rather_than_nan(problem):
    post = long_run(problem, draws_per_chain=3, burn_in=0)
    assert "r_hat_max" not in post.diagnostics
    assert all(np.isfinite(v) for v in post.diagnostics.values())


def test_mixing_is_arvizs_on_every_pixel():
    draws = torch.randn(4, 100, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    numbers = mixing(draws)
    assert numbers["r_hat_max"] < 1.03
    assert 200 < numbers["ess_bulk_min"] < 600
    assert numbers["mcse_over_std_max"] == pytest.approx(1 / 20, rel=0.3), "400 independent draws"
    draws[0] += 3
    assert mixing(draws)["r_hat_max"] > 1.3


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"data_residual": 3.0}, "residual of 3.00"),
        ({"data_residual": 1.0, "acceptance": 0.01}, "accept 1%"),
        ({"data_residual": 1.0, "effective_sample_size": 2.0}, "effective sample size is 2 of 100"),
        ({"data_residual": 1.0, "distinct_ancestors": 3.0}, "distinct ancestors is 3 of 100"),
        ({"data_residual": 1.0, "r_hat_max": 1.3}, "not mixed"),
        ({"data_residual": 1.0, "ess_bulk_min": 90.0}, "few effective draws"),
    ],
)
def test_every_doubt_is_said(numbers, words):
    (sentence,) = doubts(numbers, chains=100)
    assert words in sentence


def test_nothing_is_said_when_nothing_is_wrong():
    numbers = {"data_residual": 1.02, "acceptance": 0.57, "effective_sample_size": 60.0, "distinct_ancestors": 40.0, "r_hat_max": 1.004}
    assert doubts(numbers | {"ess_bulk_min": 9000.0}, chains=100) == []
