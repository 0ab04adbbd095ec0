"""DDS kernels against the exact denoising posterior, and their orders of convergence."""

import numpy as np
import pytest
import torch

from bench._problems import condition, gaussian_prior, mixture_prior, moments
from bench.posterior.metrics import sliced_w2
from dpnp.denoising import AncestralSDE, QuarterCircle
from dpnp.rng import SampleStreams
from tests.statistics import assert_moments

N = 2000


def draw(sampler, prior, x_half, eta, n=N, seed=0):
    streams = SampleStreams(seed, range(n), dtype=torch.float64)
    return sampler.draw(prior, x_half.expand(n, *x_half.shape[1:]), eta, streams)


def denoising_posterior(prior, x_half, eta):
    d = prior.means.shape[1]
    return condition(prior, torch.eye(d, dtype=torch.float64), x_half.flatten(), eta)


def noisy_image(prior, eta, seed=3):
    g = torch.Generator().manual_seed(seed)
    x = prior.sample(1, g)
    return x + eta * torch.randn(x.shape, generator=g, dtype=x.dtype)


@pytest.mark.parametrize("eta", [0.05, 0.3, 1.0, 10.0])
@pytest.mark.parametrize("sampler", [QuarterCircle(64, "ab2"), QuarterCircle(256, "euler"), AncestralSDE(96)], ids=["ab2", "euler", "sde"])
def test_draws_have_the_denoising_posteriors_moments(sampler, eta):
    prior = gaussian_prior(3)
    x_half = noisy_image(prior, eta)
    assert_moments(draw(sampler, prior, x_half, eta), *moments(denoising_posterior(prior, x_half, eta)))


@pytest.mark.parametrize("sampler", [QuarterCircle(32, "ab2"), AncestralSDE(96)], ids=["ab2", "sde"])
def test_draws_of_a_mixture_find_every_mode_with_its_weight(sampler):
    prior, eta = mixture_prior(3, 3, separation=1.0), 1.0
    x_half = prior.means.mean(0).reshape(1, 1, 1, 3)
    exact = denoising_posterior(prior, x_half, eta)
    assert exact.weights.min() > 0.02, "the problem has several modes"
    assert_moments(draw(sampler, prior, x_half, eta), *moments(exact))


def order(method):
    prior, eta = mixture_prior(4, 3, separation=0.7), 0.7
    x_half = noisy_image(prior, eta)
    z = eta * torch.randn(1, 1, 1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    reference = QuarterCircle(4096, "ab2").solve(prior, x_half, eta, z)
    steps = np.array([32, 64, 128, 256])
    errors = [(QuarterCircle(int(n), method).solve(prior, x_half, eta, z) - reference).norm().item() for n in steps]
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


def test_euler_is_first_order():
    assert order("euler") == pytest.approx(1, abs=0.15)


def test_adams_bashforth_is_second_order():
    assert order("ab2") == pytest.approx(2, abs=0.2)


def test_the_check_of_moments_can_fail():
    """A draw with a slightly wrong eta is caught: the tests above have power."""
    prior, eta = gaussian_prior(3), 0.3
    x_half = noisy_image(prior, eta)
    wrong = draw(QuarterCircle(64), prior, x_half, 1.1 * eta)
    with pytest.raises(AssertionError):
        assert_moments(wrong, *moments(denoising_posterior(prior, x_half, eta)))


def test_one_step_costs_one_denoiser_call():
    prior = gaussian_prior(3)
    calls = []

    class Counted:
        image_shape, device, dtype = prior.image_shape, prior.device, prior.dtype

        def denoise(self, x, sigma):
            calls.append(len(x))
            return prior.denoise(x, sigma)

    for sampler in (QuarterCircle(7), AncestralSDE(7)):
        calls.clear()
        draw(sampler, Counted(), noisy_image(prior, 0.3), 0.3, n=5)
        assert calls == [5] * 7 == [5] * sampler.calls


@pytest.mark.parametrize("eta", [0.05, 0.3, 1.0])
def test_eight_adams_bashforth_calls_reach_the_floor_of_two_exact_sets(eta):
    """Medians over 5 random mixtures of 6 components in 16 dimensions."""
    n, ratios = 1000, []
    for seed in range(5):
        prior = mixture_prior(16, 6, seed, separation=1.0)
        x_half = noisy_image(prior, eta, seed)
        exact = denoising_posterior(prior, x_half, eta)
        sets = [exact.sample(n, torch.Generator().manual_seed(k)).flatten(1) for k in range(8)]
        floor = np.mean([sliced_w2(a, b) for a, b in zip(sets[::2], sets[1::2], strict=True)])
        ratios.append(sliced_w2(draw(QuarterCircle(8), prior, x_half, eta, n, seed).flatten(1), sets[0]) / floor)
    assert np.median(ratios) <= 1.5
