"""Priors at other sizes than their own, and images of other colours than the prior's."""

from itertools import pairwise

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel

import dpnp
import operators
from dpnp.priors import EDMDenoiser, EDMPrior, Gaussian, LinearDenoiser, Tiled, adm
from dpnp.priors.adm.architecture import recognise
from dpnp.priors.diffusers import UnconditionalUNet
from dpnp.priors.diffusion import DiffusionPrior
from dpnp.priors.parametrisations import VariancePreserving
from dpnp.priors.tiled import tile_starts, tile_window
from dpnp.training import NetworkConfig
from tests.dpnp.priors.plain_adm import SMALL, random_state, shapes

UNET = NetworkConfig(channels=(8, 16), patch=1, norm_groups=4, attention_head_dim=8)


def adm_prior():
    network = adm.build(recognise(shapes(SMALL)), head_channels=16)
    network.load_state_dict(random_state(SMALL), assign=True)
    return DiffusionPrior(network, VariancePreserving(torch.linspace(1e-4, 0.02, 1000)), (3, 8, 8), name="small")


def unet_prior():
    torch.manual_seed(0)
    network = UnconditionalUNet(UNet2DModel(**UNET.unet_arguments((1, 8, 8))), 2)
    return DiffusionPrior(network, VariancePreserving(DDPMScheduler().betas), (1, 8, 8))


def edm_prior(linear):
    torch.manual_seed(0)
    channels = 2 if linear.rank else 1
    return EDMPrior(EDMDenoiser(UNet2DModel(**UNET.unet_arguments((1, 8, 8), channels)), linear), (1, 8, 8), sigma_range=(0.01, 20.0))


@pytest.mark.parametrize("make", [adm_prior, unet_prior])
def test_convolutional_networks_take_other_sizes(make):
    prior = make()
    wide = prior.sized(8, 16)
    c = prior.image_shape[0]
    assert (wide.image_shape, prior.image_shape) == ((c, 8, 16), (c, 8, 8))
    x = torch.randn(1, c, 8, 16, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(wide.denoise(x, torch.tensor([0.5]))).all()
    with pytest.raises(ValueError, match=r"\(B, ., 8, 8\), got"):
        prior.denoise(x, torch.tensor([0.5]))


def test_a_non_square_edm_prior_samples():
    prior = edm_prior(LinearDenoiser.isotropic((1, 8, 8), 0.5)).sized(8, 12)
    model = operators.SuperResolution(image_shape=prior.image_shape, factor=2, noise_std=0.1)
    y = model.simulate(torch.zeros(1, 8, 12), seed=0)
    post = dpnp.sample(prior, model, y, sampler=dpnp.DPnP(n_iterations=2, denoising_steps=2), n_samples=1)
    assert post.mean.shape == (1, 8, 12)


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(dpnp.ShapeError, match="multiples of 4, got 8 x 10"):
        adm_prior().sized(8, 10)


def test_a_prior_with_a_linear_part_keeps_its_size():
    linear = LinearDenoiser(torch.zeros(1, 8, 8), torch.eye(64)[:3], torch.ones(3), torch.tensor(0.1))
    with pytest.raises(dpnp.ShapeError, match=r"is for images \(1, 8, 8\) only"):
        edm_prior(linear).sized(8, 16)


@pytest.mark.parametrize(("size", "tile", "overlap"), [(64, 64, 16), (65, 64, 16), (200, 64, 16), (40, 10, 0), (41, 10, 9)])
def test_tiles_cover_the_image_and_overlap(size, tile, overlap):
    starts = tile_starts(size, tile, overlap)
    assert (starts[0], starts[-1]) == (0, size - tile)
    assert all(0 < b - a <= tile - overlap for a, b in pairwise(starts))


def test_windows_are_positive_symmetric_and_flat_inside():
    window = tile_window(16, 4)
    assert (window > 0).all()
    assert torch.equal(window, window.flip(0))
    assert (window[4:12] == 1).all()


def row(d):
    """A Gaussian row of ``d`` pixels whose correlation falls with the distance."""
    i = torch.arange(d, dtype=torch.float64)
    covariance = 0.3 * torch.exp(-(i[:, None] - i).abs() / 1.5)
    return Gaussian(torch.full((d,), 0.2, dtype=torch.float64), covariance, (1, 1, d))


def seam_errors(overlap):
    """Root mean square error of the tiled denoiser of a row, per pixel, relative to what the exact one changes."""
    whole, sigma = row(112), torch.full((400,), 0.4, dtype=torch.float64)
    x = whole.sample(400, torch.Generator().manual_seed(0))
    x = x + 0.4 * torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    exact = whole.denoise(x, sigma)
    error = Tiled(row(32), (1, 1, 112), overlap=overlap).denoise(x, sigma) - exact
    return error.square().mean(0).sqrt().flatten() / (exact - x).square().mean().sqrt()


def test_tiles_leave_no_seam():
    # a pixel at a tile's edge lacks its neighbours on one side; where two tiles are blended, the one in which it lies deeper weighs more
    without, with_overlap = seam_errors(0), seam_errors(12)
    assert without.max() > 0.1
    assert with_overlap.max() < 0.03
    assert with_overlap.diff().abs().max() < 0.02


def test_independent_pixels_are_denoised_exactly_in_tiles():
    d = 6 * 7
    small = Gaussian(torch.zeros(3 * 4), 0.5 * torch.eye(12), (1, 3, 4))
    large = Gaussian(torch.zeros(d), 0.5 * torch.eye(d), (1, 6, 7))
    x = torch.randn(2, 1, 6, 7, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.3, 2.0])
    for batch_size in (None, 3):
        tiled = Tiled(small, (1, 6, 7), overlap=2, batch_size=batch_size)
        assert torch.allclose(tiled.denoise(x, sigma), large.denoise(x, sigma), atol=1e-6)


def test_a_tiled_prior_samples():
    prior = Tiled(Gaussian(torch.zeros(16), 0.5 * torch.eye(16), (1, 4, 4)), (1, 8, 12), overlap=1)
    model = operators.SuperResolution(image_shape=prior.image_shape, factor=2, noise_std=0.1)
    y = model.simulate(torch.full((1, 8, 12), 0.4), seed=0)
    post = dpnp.sample(prior, model, y, n_samples=4)
    # block averages of 4 pixels with 10% noise: the posterior stays within a few standard errors of them
    assert (post.mean - 0.4).abs().mean() < 0.3
    assert post.mean.shape == (1, 8, 12)


@pytest.mark.parametrize(
    ("shape", "overlap", "message"),
    [
        ((3, 8, 8), 1, r"1 channels and at least 4 x 4 pixels for tiles \(1, 4, 4\), got \(3, 8, 8\)"),
        ((1, 8, 3), 1, r"at least 4 x 4 pixels"),
        ((1, 8, 8), 4, "overlap from 0 to 3"),
    ],
)
def test_what_cannot_be_tiled_is_refused(shape, overlap, message):
    with pytest.raises(dpnp.ShapeError, match=message):
        Tiled(Gaussian(torch.zeros(16), torch.eye(16), (1, 4, 4)), shape, overlap=overlap)


def test_grey_and_colour_are_not_mixed_silently():
    prior = Gaussian(torch.zeros(16), torch.eye(16), (1, 4, 4))
    model = operators.SuperResolution(image_shape=(3, 4, 4), factor=2, noise_std=0.1)
    with pytest.raises(dpnp.ShapeError, match=r"the prior is for grey images \(1, 4, 4\), the forward model for RGB images \(3, 4, 4\)"):
        dpnp.sample(prior, model, torch.zeros(3, 2, 2))
