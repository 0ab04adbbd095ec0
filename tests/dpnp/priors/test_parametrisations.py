"""Every parametrisation around a network that knows the answer: the denoiser must be exact at every noise level."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, PNDMScheduler

import dpnp
from dpnp.priors import DiffusionPrior
from dpnp.priors.noise_range import RangeWatch
from dpnp.priors.parametrisations import VarianceExploding, VariancePreserving

SHAPE = (3, 4, 4)
MEAN, STD = 0.3, 0.6  # the prior N(MEAN, STD²) per pixel, in [-1, 1] scale
SCHEDULERS = {
    "DDPM linear": (DDPMScheduler, {}),
    "DDIM scaled linear": (DDIMScheduler, {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}),
    "PNDM linear": (PNDMScheduler, {}),
    "DDPM squared cosine": (DDPMScheduler, {"beta_schedule": "squaredcos_cap_v2"}),
    "DDIM zero terminal SNR": (DDIMScheduler, {"rescale_betas_zero_snr": True}),
    "DDPM 50 steps": (DDPMScheduler, {"num_train_timesteps": 50, "beta_start": 0.002, "beta_end": 0.4}),
}


def exact(x, sigma):
    s2 = sigma.square().reshape(-1, 1, 1, 1)
    return (STD**2 * x + s2 * MEAN) / (STD**2 + s2)


class DiscreteNetwork(torch.nn.Module):
    """The exact epsilon, sample or velocity at times between which the log-SNR is linear, and as many channels of noise after it."""

    def __init__(self, scheduler, prediction, learned_variance):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        betas = scheduler.betas.double().numpy()
        abar = np.cumprod(1 - betas)
        self.log_snr = np.log(abar[abar > 0]) - np.log1p(-abar[abar > 0])
        self.prediction, self.learned_variance = prediction, learned_variance

    def forward(self, x, t):
        snr = np.exp(np.interp(t.double().numpy(), np.arange(len(self.log_snr)), self.log_snr))
        abar = torch.from_numpy(snr / (1 + snr)).reshape(-1, 1, 1, 1)
        x0 = exact(x.double() / abar.sqrt(), ((1 - abar) / abar).sqrt())
        e = (x - abar.sqrt() * x0) / (1 - abar).sqrt()
        raw = {"epsilon": e, "sample": x0, "v_prediction": abar.sqrt() * e - (1 - abar).sqrt() * x0}[self.prediction].float()
        return torch.cat([raw, torch.full_like(raw, 7.0)], dim=1) if self.learned_variance else raw


def discrete_prior(name, prediction, learned_variance=False):
    kind, settings = SCHEDULERS[name]
    scheduler = kind(**settings)
    return DiffusionPrior(DiscreteNetwork(scheduler, prediction, learned_variance), VariancePreserving(scheduler.betas, prediction), SHAPE)


def noisy(sigma, seed=0):
    e = torch.randn(len(sigma), *SHAPE, generator=torch.Generator().manual_seed(seed))
    return MEAN + (STD**2 + sigma.square()).sqrt().reshape(-1, 1, 1, 1) * e


def assert_exact(prior, sigma):
    x = noisy(sigma)
    error = (prior.denoise(x, sigma) - exact(x, sigma)).abs().flatten(1).amax(1)
    # epsilon and velocity are float32 numbers of size 1 that get multiplied by sigma; time has seven digits of 1000
    assert (error <= 3e-5 * (1 + sigma)).all(), (sigma, error)


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_exact_network_gives_the_exact_denoiser_between_the_discrete_times_too(name, prediction):
    prior = discrete_prior(name, prediction)
    low, high = prior.sigma_range
    assert_exact(prior, torch.logspace(np.log10(low), min(2, np.log10(high)), 200)[1:-1])


def test_the_range_is_that_of_the_schedule():
    assert discrete_prior("DDPM linear", "epsilon").sigma_range == pytest.approx((0.010001, 157.4), rel=1e-3)
    high = discrete_prior("DDIM zero terminal SNR", "epsilon").sigma_range[1]
    assert np.isfinite(high)
    assert high > 157


def test_further_output_channels_are_not_used():
    assert_exact(discrete_prior("DDPM linear", "epsilon", learned_variance=True), torch.tensor([0.02, 0.7, 11.0]))


class ScoreNetwork(torch.nn.Module):
    """The exact score of the same prior seen in [0, 1], labelled with the noise level there."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, sigma):
        variance = (STD / 2) ** 2 + sigma.square().reshape(-1, 1, 1, 1)
        return (0.5 + MEAN / 2 - x) / variance


def test_score_networks_work_in_zero_to_one():
    prior = DiffusionPrior(ScoreNetwork(), VarianceExploding(0.01, 1348.0), SHAPE)
    assert prior.sigma_range == (0.02, 2696.0)
    assert_exact(prior, torch.logspace(-1.69, 3.4, 100))


def test_the_limits_outside_the_range_are_right_and_announced():
    prior = discrete_prior("DDPM linear", "epsilon")
    sigma = torch.tensor([1e-4, 3e-3])
    with pytest.warns(dpnp.NoiseRangeWarning, match=r"0\.01 to 157.* is clamped"):
        below = prior.denoise(noisy(sigma), sigma)
    # the score at 0.01 instead of at sigma: relative error (0.01 / STD)² of a step of 5e-5, less than the rounding of x
    assert (below - exact(noisy(sigma), sigma)).abs().max() < 5e-7
    high = torch.tensor([1000.0])
    assert (prior.denoise(noisy(high), high) - exact(noisy(high), high)).abs().max() < 0.01  # x is worth 3 STD²/157 = 0.007 there


def test_the_warning_comes_once_and_not_for_rounding():
    watch = RangeWatch(0.01, 10.0)
    watch(torch.tensor([0.0099999, 10.00001]))
    with pytest.warns(dpnp.NoiseRangeWarning):
        watch(torch.tensor([0.1, 11.0]))
    watch(torch.tensor([0.001]))


def test_every_image_has_its_own_noise_level_and_gradients_flow():
    prior = discrete_prior("DDPM linear", "v_prediction")
    sigma = torch.tensor([0.1, 5.0])
    x = noisy(sigma)
    assert torch.allclose(prior.denoise(x, sigma)[1:], prior.denoise(x[1:], sigma[1:]), atol=1e-6)
    x.requires_grad_(True)
    (gradient,) = torch.autograd.grad(prior.denoise(x, sigma).sum(), x)
    expected = (STD**2 / (STD**2 + sigma.square())).reshape(-1, 1, 1, 1).expand_as(x)
    assert torch.allclose(gradient, expected, rtol=1e-3)


@pytest.mark.parametrize("betas", [torch.tensor([0.1, 0.0]), torch.tensor([0.1]), torch.tensor([0.1, 1.5])])
def test_what_is_no_schedule_is_refused(betas):
    with pytest.raises(dpnp.PriorError, match="at least two betas"):
        VariancePreserving(betas)


def test_an_unknown_prediction_is_refused():
    with pytest.raises(dpnp.PriorError, match="'flow', expected one of epsilon"):
        VariancePreserving(torch.tensor([0.1, 0.2]), "flow")
