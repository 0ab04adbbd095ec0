"""Closed-form priors: the ground truth of everything else, so checked against independent computations."""

import pytest
import torch

from bench._problems import gaussian_prior, mixture_prior, moments
from dpnp import PriorError
from dpnp.priors import Gaussian, GaussianMixture
from tests.statistics import assert_moments


def test_gaussian_denoiser_is_the_linear_mmse_estimate():
    prior = gaussian_prior(6)
    x = torch.randn(3, 1, 1, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    sigma = torch.tensor([0.1, 1.0, 5.0], dtype=torch.float64)
    c, m = prior.covariances[0], prior.means[0]
    for i, s in enumerate(sigma):
        expected = m + c @ torch.linalg.solve(c + s**2 * torch.eye(6, dtype=torch.float64), x[i].flatten() - m)
        assert torch.allclose(prior.denoise(x, sigma)[i].flatten(), expected, atol=1e-12)


def test_mixture_denoiser_obeys_tweedie():
    prior = mixture_prior(5, 3)
    x = torch.randn(4, 1, 1, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    sigma = torch.tensor([0.05, 0.3, 1.0, 10.0], dtype=torch.float64)
    (score,) = torch.autograd.grad(prior.log_density(x, sigma).sum(), x)
    tweedie = (prior.denoise(x, sigma) - x) / sigma.square().reshape(-1, 1, 1, 1)
    assert torch.allclose(score, tweedie, rtol=1e-8, atol=1e-8)


def test_mixture_density_is_torchs():
    prior = mixture_prior(4, 3)
    x = prior.sample(50, torch.Generator().manual_seed(0))
    sigma = torch.full((50,), 0.2, dtype=torch.float64)
    noisy = prior.covariances + 0.04 * torch.eye(4, dtype=torch.float64)
    oracle = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(prior.weights), torch.distributions.MultivariateNormal(prior.means, noisy)
    )
    assert torch.allclose(prior.log_density(x, sigma), oracle.log_prob(x.flatten(1)), rtol=1e-10)


def test_mixture_draws_have_the_mixtures_moments():
    prior = mixture_prior(4, 3)
    assert_moments(prior.sample(20_000, torch.Generator().manual_seed(0)), *moments(prior))


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "message"),
    [
        ([1.0], torch.zeros(1, 3), torch.eye(3)[None], "expected means"),
        ([1.0, 1.0], torch.zeros(1, 4), torch.eye(4)[None], "2 weights"),
        ([-1.0], torch.zeros(1, 4), torch.eye(4)[None], "not negative"),
        ([1.0], torch.zeros(1, 4), -torch.eye(4)[None], "semi-definite"),
    ],
)
def test_what_is_not_a_mixture_is_refused(weights, means, covariances, message):
    with pytest.raises(PriorError, match=message):
        GaussianMixture(torch.tensor(weights), means, covariances, (1, 2, 2))


def test_wrong_images_and_noise_levels_are_refused():
    prior = Gaussian(torch.zeros(4), torch.eye(4), (1, 2, 2))
    with pytest.raises(ValueError, match=r"\(B, 1, 2, 2\), got \(2, 4\)"):
        prior.denoise(torch.zeros(2, 4), torch.ones(2))
    with pytest.raises(ValueError, match="one noise level per image"):
        prior.denoise(torch.zeros(2, 1, 2, 2), torch.ones(1))
