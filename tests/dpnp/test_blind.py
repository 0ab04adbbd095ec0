"""DPnP on image and blur kernel together, and the shipped prior of kernels."""

import pytest
import torch

import dpnp
import operators
from dpnp.denoising import QuarterCircle
from dpnp.priors.kernel_scale import image_to_kernel, kernel_to_image
from dpnp.rng import SampleStreams
from operators.blind import BlindBlur
from operators.blur_kernels import random_kernels
from operators.maps import BlockDCT, DenseMap
from operators.noise import Quantizer

SHAPE = (1, 40, 40)
SAMPLER = dpnp.DPnP(n_iterations=3, denoising_steps=2)


@pytest.fixture(scope="module")
def problem():
    """Smooth images, their Gaussian prior, and a blurred JPEG of one."""
    t = torch.arange(40.0)
    rows = torch.exp(-0.5 * ((t[:, None] - t) / 4).square())
    prior = dpnp.priors.Gaussian(torch.zeros(1600), 0.2 * torch.kron(rows, rows) + 1e-3 * torch.eye(1600), SHAPE)
    model = operators.BlindDeblurJPEG(SHAPE, noise_std=0.05, quality=60)
    return prior, model, model.simulate(prior.sample(1, torch.Generator().manual_seed(0))[0].float(), seed=0)


@pytest.fixture(scope="module")
def posterior(problem):
    return dpnp.sample(*problem, sampler=SAMPLER, n_samples=2)


def test_the_posterior_holds_kernels_beside_images(problem, posterior):
    _, model, y = problem
    kernels = posterior.hidden["kernel"]
    assert kernels.shape == (2, 33, 33)
    assert (kernels >= 0).all()
    assert torch.allclose(kernels.sum((1, 2)), torch.ones(2), atol=1e-5)
    assert not torch.equal(kernels[0], kernels[1])
    residual = model.given(posterior.hidden).residual(posterior.samples, y).mean().item()
    assert posterior.diagnostics["data_residual"] == pytest.approx(residual, rel=1e-4)


def test_a_sample_and_its_kernel_do_not_depend_on_the_others(problem, posterior):
    """But for rounding, in single precision another one in another batch, which the kernel's 100 trajectories make larger."""
    prior, model, y = problem
    alone = dpnp.sample(prior, model, y, sampler=SAMPLER, n_samples=1)
    for found, both in ((alone.hidden["kernel"][0], posterior.hidden["kernel"]), (alone.samples[0], posterior.samples)):
        assert (found - both[0]).norm() < 0.02 * (both[1] - both[0]).norm()


@pytest.mark.parametrize("iterations", [1, 5])
def test_it_makes_the_denoiser_calls_that_it_tells(problem, iterations):
    """One sample at a time, after the prior's spectrum is known."""
    sampler = dpnp.DPnP(n_iterations=iterations, denoising_steps=2)
    calls = []
    dpnp.sample(*problem, sampler=SAMPLER, n_samples=1)
    run = dpnp.start(*problem, sampler=sampler, n_samples=1)
    run.on_denoiser_call = lambda: calls.append(1)
    while not run.done:
        run.step()
    assert len(calls) == run.posterior().nfe


def test_a_resumed_run_has_the_same_kernels(problem, posterior):
    first = dpnp.start(*problem, sampler=SAMPLER, n_samples=2)
    first.step()
    saved = first.state_dict()
    second = dpnp.start(*problem, sampler=SAMPLER, n_samples=2)
    second.load_state_dict(saved)
    while not second.done:
        second.step()
    assert torch.equal(second.posterior().hidden["kernel"], posterior.hidden["kernel"])


def test_a_saved_state_without_what_the_kernel_draws_need_is_refused(problem):
    run = dpnp.start(*problem, sampler=SAMPLER, n_samples=1)
    saved = run.state_dict()
    memory = saved["state"]["memory"]
    memory["log_step"] = memory.pop("kernel_log_step")  # as the chains had that began without an opening
    with pytest.raises(ValueError, match="kernel_log_step"):
        run.load_state_dict(saved)


def test_the_shipped_prior_knows_kernels():
    """Better than any linear denoiser, with samples that are kernels: the floors are half a decibel under its card."""
    prior = dpnp.load_prior("kernels-33", device="cpu")
    clean = kernel_to_image(random_kernels(64, torch.Generator().manual_seed(7)))[:, None]
    for sigma, floor in ((0.2, 33.5), (1.0, 24.5)):
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(8))
        denoised = prior.denoise(clean + sigma * noise, torch.full((64,), sigma))
        assert 10 * torch.log10(4 / (denoised - clean).square().mean()) > floor
    samples = image_to_kernel(QuarterCircle(20).draw(prior, torch.zeros(8, 1, 33, 33), 20.0, SampleStreams(0, range(8))))
    assert torch.allclose(samples.sum((1, 2, 3)), torch.ones(8), atol=0.05)


class BlindQuantised(BlindBlur):
    """Not in the catalogue: another model of the structure that blind sampling needs."""

    image_shape, kernel = SHAPE, None
    transform = BlockDCT(SHAPE)
    noise = Quantizer(0.05, "gaussian", bits=4)


class LogisticQuantised(BlindQuantised):
    noise = Quantizer(0.05, "logistic", bits=4)


class TwoNumbers(BlindQuantised):
    transform = DenseMap(torch.ones(2, 1600), SHAPE)


def test_another_model_with_an_unknown_blur_needs_nothing_more(problem):
    prior, model = problem[0], BlindQuantised()
    posterior = dpnp.sample(prior, model, model.simulate(torch.zeros(SHAPE), seed=0), sampler=SAMPLER, n_samples=1)
    assert posterior.hidden["kernel"].shape == (1, 33, 33)
    for other in (LogisticQuantised(), TwoNumbers()):
        with pytest.raises(dpnp.UnsupportedError, match="unknown kernel"):
            dpnp.sample(prior, other, torch.ones(other.measurement_shape), sampler=SAMPLER)


class Smooth:
    """A stationary Gaussian prior of RGB images on a torus, far cheaper than its covariance matrix."""

    image_shape, device, dtype = (3, 32, 32), torch.device("cpu"), torch.float32

    def __init__(self):
        f = torch.fft.fftfreq(32)
        self.power = 300 * torch.exp(-150 * (f[:, None].square() + f.square())) * 0.2 + 1e-3

    def denoise(self, x, sigma):
        return torch.fft.ifft2(torch.fft.fft2(x) * self.power / (self.power + sigma.reshape(-1, 1, 1, 1) ** 2)).real

    def sample(self, seed):
        noise = torch.randn(self.image_shape, generator=torch.Generator().manual_seed(seed))
        return torch.fft.ifft2(torch.fft.fft2(noise) * self.power.sqrt()).real


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_colour_images_of_32_pixels_and_their_kernels_explain_the_file(subsampling):
    prior, model = Smooth(), operators.BlindDeblurJPEG(Smooth.image_shape, noise_std=0.1, quality=60, subsampling=subsampling)
    truth = prior.sample(0)
    y = model.simulate(truth, seed=0)
    sampler = dpnp.DPnP(n_iterations=8, denoising_steps=2)
    posterior = dpnp.sample(prior, model, y, sampler=sampler, n_samples=2)
    alone = dpnp.sample(prior, model, y, sampler=sampler, n_samples=1)
    kernels = posterior.hidden["kernel"]
    assert kernels.shape == (2, 33, 33)
    assert torch.allclose(kernels.sum((1, 2)), torch.ones(2), atol=1e-5)
    assert torch.allclose(alone.hidden["kernel"][0], kernels[0], atol=1e-5)
    assert posterior.diagnostics["data_residual"] < 2.5, "1 at the truth; the last eta adds its blur"
    assert model.given(posterior.hidden).residual(posterior.samples.flip(1), y).min() > 1.3 * posterior.diagnostics["data_residual"]
    colours = (posterior.samples.mean((2, 3)) - truth.mean((1, 2))).abs()
    assert colours.max() < 0.15, "blur leaves the mean colour, JPEG nearly"


class Natural(Smooth):
    """A stationary Gaussian prior of grey images with a power law, as photographs have."""

    image_shape = (1, 40, 40)

    def __init__(self):
        f = torch.fft.fftfreq(40)
        self.power = 0.002 / (0.03**2 + f[:, None].square() + f.square())


def test_a_sharp_image_is_not_blurred_by_a_wide_kernel():
    """A photograph without blur: kernels of 1089 pixels with 22% of their sum in one, where white errors of the image make it 4 to 6%."""
    prior, x = Natural(), Natural().sample(1)
    sharp, unknown = (operators.BlindDeblurJPEG(Natural.image_shape, quality=80, kernel=k) for k in ([[1.0]], None))
    sampler = dpnp.DPnP(n_iterations=15, denoising_steps=3)
    posterior = dpnp.sample(prior, unknown, sharp.simulate(x, seed=1), sampler=sampler, n_samples=2, seed=1)
    assert posterior.hidden["kernel"].amax((1, 2)).min() > 0.12
