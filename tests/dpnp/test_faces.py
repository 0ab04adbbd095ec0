"""The shipped prior, on the example photograph that it was not trained on.

The floors in dB stand half a decibel or more under what the shipped weights measured: better weights pass, broken ones do not.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import dpnp
import operators

PHOTOGRAPH = Path(__file__).parents[2] / "app" / "examples" / "astronaut.png"


@pytest.fixture(scope="module")
def prior():
    return dpnp.load_prior("faces-64", device="cpu")


@pytest.fixture(scope="module")
def photograph():
    return torch.from_numpy(np.asarray(Image.open(PHOTOGRAPH).convert("L"), dtype=np.float32))[None] / 127.5 - 1


def psnr(x, truth):
    return 10 * math.log10(4 / (x - truth).square().mean().item())


@pytest.mark.parametrize(("sigma", "floor"), [(0.05, 34.0), (0.2, 27.5), (1.0, 20.5)])
def test_it_denoises_a_face_that_it_has_not_seen(prior, photograph, sigma, floor):
    noise = torch.randn(photograph.shape, generator=torch.Generator().manual_seed(0))
    clean = prior.denoise((photograph + sigma * noise)[None], torch.tensor([sigma]))[0]
    assert psnr(clean, photograph) > floor
    assert psnr(clean, photograph) > psnr(photograph + sigma * noise, photograph) + 2


def test_posterior_samples_explain_the_measurement_and_resemble_the_truth(prior, photograph):
    model = operators.SuperResolution(image_shape=prior.image_shape, factor=4, noise_std=0.1)
    y = model.simulate(photograph, seed=0)
    post = dpnp.sample(prior, model, y, sampler=dpnp.DPnP(n_iterations=10, denoising_steps=3), n_samples=2, seed=0)
    assert 0.8 < post.diagnostics["data_residual"] < 1.4
    assert psnr(post.mean, photograph) > 19
    assert post.std.mean() > 0.02, "the samples differ"


def test_the_catalogue_and_the_card_say_what_it_is(prior):
    (info,) = [i for i in dpnp.list_priors() if i.name == "faces-64"]
    assert info.image_shape == prior.image_shape == (1, 64, 64)
    assert "SMILEsmileD" in info.source
    assert prior.card["training"]["validation"]["images"] == 600
    assert sum(f.stat().st_size for f in info.folder.iterdir()) < 20e6
