"""BlindDPS: DPS when the blur kernel is unknown too."""

import math

import pytest
import torch

import dpnp
from dpnp.baselines.vp import ladder
from dpnp.samplers.blind import KAPPA, as_kernel, kernel_prior
from operators import BlindDeblurJPEG

SHAPE = (1, 40, 40)


@pytest.fixture(scope="module")
def problem():
    """A smooth Gaussian prior on 40 x 40 images, and a file of a blurred draw."""
    at = torch.arange(40)
    near = torch.exp(-0.5 * ((at[:, None] - at) / 4.0) ** 2)
    prior = dpnp.priors.Gaussian(torch.zeros(1600), 0.2 * torch.kron(near, near) + 1e-3 * torch.eye(1600), SHAPE)
    model = BlindDeblurJPEG(image_shape=SHAPE, quality=50)
    return prior, model, model.simulate(prior.sample(1, torch.Generator().manual_seed(0))[0], seed=0)


@pytest.mark.filterwarnings("ignore::dpnp.NoiseRangeWarning")  # DPS starts above the levels that the prior was trained on
def test_it_moves_image_and_kernel_down_the_gradient_of_the_misfit(problem):
    """One step against the update written out with one image at a time."""
    prior, model, y = problem
    guided, free = (dpnp.DPS(n_steps=10, step_size=s).kernel(prior, model, y) for s in (0.7, 0.0))
    streams = [dpnp.rng.SampleStreams(0, range(2), dtype=prior.dtype) for _ in range(2)]
    start = guided.init(streams[0])
    free.init(streams[1])
    moved, plain = guided.step(start, streams[0])[0], free.step(start, streams[1])[0]
    rung = ladder(10)[0]
    scale, sigma = math.sqrt(rung.abar), torch.tensor([rung.sigma], dtype=prior.dtype)
    for i in range(2):
        x, kappa = start.x[i : i + 1].clone().requires_grad_(), start.memory[KAPPA][i : i + 1].clone().requires_grad_()
        kernel = as_kernel(kernel_prior("cpu").denoise(kappa[:, None] / scale, sigma)[:, 0])
        known = model.given({"kernel": kernel})
        misfit = known.noise.scale * known.noise.deviance(y[None], known.map(prior.denoise(x / scale, sigma))).sqrt()
        for a, b, gradient in zip(
            (plain.x, plain.memory[KAPPA]), (moved.x, moved.memory[KAPPA]), torch.autograd.grad(misfit.sum(), (x, kappa)), strict=True
        ):
            assert gradient.norm() > 0
            assert torch.allclose(a[i] - b[i], 0.7 * gradient[0], atol=1e-4)


def test_guidance_explains_the_file_with_a_kernel_on_the_simplex(problem):
    prior, model, y = problem
    guided, free = (dpnp.sample(prior, model, y, sampler=dpnp.DPS(n_steps=20, step_size=s), n_samples=2) for s in (0.3, 0.0))
    assert guided.diagnostics["data_residual"] < 0.7 * free.diagnostics["data_residual"]
    kernels = guided.hidden["kernel"]
    assert kernels.shape == (2, 33, 33)
    assert kernels.min() >= 0
    assert torch.allclose(kernels.sum((1, 2)), torch.ones(2, dtype=kernels.dtype))
    alone = dpnp.sample(prior, model, y, sampler=dpnp.DPS(n_steps=20, step_size=0.3), n_samples=1)
    assert torch.allclose(alone.samples[0], guided.samples[0], atol=1e-3)
