"""The shipped prior of colour photographs, on an example photograph shrunk to its size.

The floors in dB stand half a decibel or more under what the shipped weights measured: better weights pass, broken ones do not.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import dpnp
import operators
from tests.dpnp.test_faces import psnr

PHOTOGRAPH = Path(__file__).parents[2] / "app" / "examples" / "astronaut.png"


@pytest.fixture(scope="module")
def prior():
    return dpnp.load_prior("cifar10-32", device="cpu")


@pytest.fixture(scope="module")
def photograph():
    small = Image.open(PHOTOGRAPH).convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)
    colours = torch.from_numpy(np.asarray(small, dtype=np.float32)).movedim(-1, 0) / 127.5 - 1
    return colours * torch.tensor([1.0, 0.9, 0.8]).reshape(3, 1, 1)


@pytest.mark.parametrize(("sigma", "floor"), [(0.2, 28.2), (1.0, 20.1)])
def test_it_denoises_colours(prior, photograph, sigma, floor):
    noise = torch.randn(photograph.shape, generator=torch.Generator().manual_seed(0))
    clean = prior.denoise((photograph + sigma * noise)[None], torch.tensor([sigma]))[0]
    assert psnr(clean, photograph) > floor


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_samples_explain_a_colour_file_and_resemble_the_photograph(prior, photograph, subsampling):
    model = operators.BlindDeblurJPEG(prior.image_shape, quality=20, kernel=[[1.0]], subsampling=subsampling)
    y = model.simulate(photograph, seed=0)
    post = dpnp.sample(prior, model, y, sampler=dpnp.DPnP(n_iterations=10, denoising_steps=3), n_samples=4, seed=0)
    assert 0.7 < post.diagnostics["data_residual"] < 1.5
    assert psnr(post.mean, photograph) > 26
    assert post.std.mean() > 0.02, "the samples differ"


def test_the_catalogue_and_the_card_say_what_it_is(prior):
    (info,) = [i for i in dpnp.list_priors() if i.name == "cifar10-32"]
    assert info.image_shape == prior.image_shape == (3, 32, 32)
    assert "CIFAR-10" in info.source
    assert prior.card["training"]["validation"]["images"] == 1000
    assert sum(f.stat().st_size for f in info.folder.iterdir()) < 20e6
