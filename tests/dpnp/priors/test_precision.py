"""Which precision ``auto`` is, and how near bfloat16 inside a network comes to float32."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import dpnp
import operators
from dpnp.priors import precision
from tests.dpnp.test_network_prior import tiny_prior

CPU = torch.device("cpu")
AMX = {"avx512_f": True, "avx512_bf16": True, "amx_tile": True, "amx_bf16": True}
WITHOUT_AMX = {"avx512_f": True, "avx512_bf16": True, "amx_tile": False, "amx_bf16": False}
ROUNDING = 2.0**-9  # of a number to bfloat16's eight significant bits, at most, relative
PHOTOGRAPH = Path(__file__).parents[3] / "app" / "examples" / "astronaut.png"


def on_a_cpu(monkeypatch, capabilities):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)


def dtype(prior):
    (found,) = {weight.dtype for weight in prior.body.parameters()}
    return found


@pytest.fixture(scope="module")
def photograph():
    return torch.from_numpy(np.asarray(Image.open(PHOTOGRAPH).convert("L"), dtype=np.float32))[None] / 127.5 - 1


@pytest.fixture(scope="module")
def priors():
    return [dpnp.load_prior("faces-64", "cpu", wanted) for wanted in ("float32", "bfloat16")]


@pytest.mark.parametrize(("capabilities", "expected"), [(AMX, torch.bfloat16), (WITHOUT_AMX, torch.float32), ({}, torch.float32)])
def test_auto_is_bfloat16_where_the_cpu_has_amx(monkeypatch, capabilities, expected):
    on_a_cpu(monkeypatch, capabilities)
    assert dtype(dpnp.load_prior("faces-64", "cpu")) == expected
    assert dtype(dpnp.load_prior("faces-64", "cpu", "float32")) == torch.float32
    assert dtype(dpnp.load_prior("faces-64", "cpu", "bfloat16")) == torch.bfloat16


def test_an_older_torch_that_cannot_tell_counts_as_a_cpu_without(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not precision.has_fast_bfloat16(CPU)


def test_small_networks_stay_in_float32_on_any_cpu(monkeypatch):
    on_a_cpu(monkeypatch, AMX)
    assert dtype(dpnp.load_prior("kernels-33", "cpu")) == torch.float32
    assert dtype(tiny_prior().tune()) == torch.float32
    monkeypatch.setattr(precision, "LEAST_CPU_WEIGHTS", 1)
    assert dtype(tiny_prior().tune()) == torch.bfloat16


def test_a_device_that_does_not_compute_is_not_fast():
    assert not precision.has_fast_bfloat16(torch.device("meta"))


@pytest.mark.parametrize("sigma", [0.02, 0.2, 2.0])
def test_the_answer_is_float32_and_as_near_as_eight_bits_allow(priors, photograph, sigma):
    noise = torch.randn(4, *photograph.shape, generator=torch.Generator().manual_seed(0))
    exact, rounded = (prior.denoise(photograph + sigma * noise, torch.full((4,), sigma)) for prior in priors)
    assert rounded.dtype == torch.float32
    # The linear denoiser stays in float32: what is rounded is the network's correction of it, in some forty layers.
    correction = exact - priors[0].network.linear(photograph + sigma * noise, torch.full((4,), sigma))
    assert 0 < (rounded - exact).norm() < math.sqrt(40) * 4 * ROUNDING * correction.norm()
    errors = [(answer - photograph).square().mean().log10().item() for answer in (exact, rounded)]
    assert 10 * abs(errors[1] - errors[0]) < 0.05, "decibels of denoising PSNR"


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_of_dps_through_bfloat16_is_finite_and_near(priors, photograph, seed):
    """Near in direction, which is what guidance takes from it: rounding is 3 to 13 percent of the gradient of these weights."""
    model = operators.SuperResolution(image_shape=(1, 64, 64), factor=4, noise_std=0.1)
    y = model.simulate(photograph, seed=0)
    noise = torch.randn(2, *photograph.shape, generator=torch.Generator().manual_seed(seed))
    gradients = []
    for prior in priors:
        x = (photograph + 0.1 * noise).requires_grad_(True)
        misfit = (model.map(prior.denoise(x, torch.full((2,), 0.1))) - y).square().flatten(1).sum(1).sqrt()
        gradients += torch.autograd.grad(misfit.sum(), x)
    exact, rounded = gradients
    assert rounded.dtype == torch.float32
    assert torch.isfinite(rounded).all()
    assert (rounded != exact).any(), "the network did compute in bfloat16"
    assert torch.cosine_similarity(rounded.flatten(), exact.flatten(), dim=0) > 0.98
