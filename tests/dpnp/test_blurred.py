"""Gibbs draws of blurred images and their kernels from JPEG's cells."""

import pytest
import torch

import dpnp
import operators
from dpnp.consistency import MALA, consistency_sampler
from dpnp.consistency.blurred import BlurredCells
from dpnp.consistency.entrywise import EntrywiseExact
from dpnp.priors.kernel_scale import KERNEL_SCALE, image_to_kernel
from dpnp.rng import SampleStreams
from operators.maps.blur import BlurMap
from tests.statistics import assert_moments

SHAPE = (1, 8, 8)
KERNEL = [[0.0, 0.1, 0.0], [0.2, 0.4, 0.1], [0.0, 0.2, 0.0]]


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def streams(n, seed=0):
    return SampleStreams(seed, range(n), dtype=torch.float64)


def test_structure_picks_gibbs_for_a_blur_and_one_exact_draw_without():
    y = torch.zeros(1, 1, 8, 8)
    assert isinstance(consistency_sampler(operators.BlindDeblurJPEG(SHAPE, kernel=KERNEL), y, "auto", 40), BlurredCells)
    assert isinstance(consistency_sampler(operators.BlindDeblurJPEG(SHAPE, kernel=[[1]]), y, "auto", 40), EntrywiseExact)
    with pytest.raises(dpnp.UnsupportedError, match="exact"):
        consistency_sampler(operators.BlindDeblurJPEG(SHAPE, kernel=KERNEL), y, "exact", 40)


def test_images_follow_the_target_with_a_known_kernel():
    n, eta = 400, 0.3
    model = operators.BlindDeblurJPEG(SHAPE, kernel=KERNEL, noise_std=0.15, quality=60)
    x_k = rand(*SHAPE)
    y = model.simulate(x_k.flip(-1), seed=1)
    gibbs = consistency_sampler(model, y, "auto", 40).draw(x_k.expand(n, *SHAPE), eta, {}, streams(n)).x.flatten(1)
    mala = MALA(model, y, steps=200)
    long = mala.draw(x_k.expand(n, *SHAPE), eta, mala.init(n), streams(n, 1)).x.flatten(1)
    for f in (lambda x: x, lambda x: x.square()):
        error = ((f(gibbs).var(0) + f(long).var(0)) / n).sqrt()
        assert ((f(gibbs).mean(0) - f(long).mean(0)) / error).abs().max() < 4.5


def test_a_kernel_of_sum_1_given_signal_and_image_is_the_closed_forms_gaussian():
    n, size, std, eta = 4000, 3, 0.001, 0.7
    model = operators.BlindDeblurJPEG(SHAPE, kernel=KERNEL, noise_std=std)
    sampler = BlurredCells(model.transform, model.noise, torch.zeros(1, 1, 8, 8, dtype=torch.float64), kernel_size=size)
    x, u, kappa_k = rand(*SHAPE), rand(*SHAPE, seed=1), rand(size, size, seed=2)
    columns = torch.stack([BlurMap(e.reshape(size, size), SHAPE)(x[None]).flatten() for e in torch.eye(size**2, dtype=torch.float64)], 1)
    a = columns * KERNEL_SCALE / 2
    covariance = torch.linalg.inv(a.T @ a / std**2 + torch.eye(size**2, dtype=torch.float64) / eta**2)
    mean = covariance @ (a.T @ (u.flatten() - a.sum(1)) / std**2 + kappa_k.flatten() / eta**2)
    along = covariance.sum(1)  # the same Gaussian, given the sum
    mean = mean + along * (2 / KERNEL_SCALE - size**2 - mean.sum()) / along.sum()
    covariance = covariance - torch.outer(along, along) / along.sum()
    batch = [t.expand(n, *t.shape) for t in (u, x, kappa_k)]
    assert_moments(sampler.kernel_image(*batch, eta, torch.full((n,), std, dtype=torch.float64), streams(n)), mean, covariance)


def test_the_image_of_a_kernel_and_back():
    assert image_to_kernel(torch.tensor([-1.0, 1.0])).tolist() == [0, pytest.approx(KERNEL_SCALE)]


def test_lgdmc_says_that_it_cannot_sample_a_kernel():
    model = operators.BlindDeblurJPEG((1, 40, 40))
    prior = dpnp.priors.Gaussian(torch.zeros(1600), torch.eye(1600), (1, 40, 40))
    with pytest.raises(dpnp.UnsupportedError, match="lgdmc cannot sample the unknown kernel"):
        dpnp.sample(prior, model, torch.zeros(model.measurement_shape), sampler=dpnp.LGDMC())
    with pytest.raises(dpnp.UnsupportedError, match="needs consistency='auto'"):
        dpnp.sample(prior, model, torch.zeros(model.measurement_shape), sampler=dpnp.DPnP(consistency="mala"))
