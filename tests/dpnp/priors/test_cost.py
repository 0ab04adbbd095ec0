"""Precision and compilation, and what a call costs."""

import pytest
import torch
from torch import nn

from dpnp.priors import DiffusionPrior, adm, call_cost, largest_batch
from dpnp.priors.adm.architecture import recognise
from dpnp.priors.cost import LiveBytes
from dpnp.priors.parametrisations import VariancePreserving
from tests.dpnp.priors.plain_adm import FFHQ_10M, IMAGENET_256, SMALL, random_state, shapes
from tests.dpnp.test_network_prior import tiny_prior

BETAS = torch.linspace(1e-4, 0.02, 1000)
GIB = 2**30


def weightless(spec, dtype=torch.bfloat16, shape=(3, 256, 256)):
    return DiffusionPrior(adm.build(recognise(shapes(spec))).to(dtype), VariancePreserving(BETAS), shape)


def small_prior():
    network = adm.build(recognise(shapes(SMALL)), head_channels=16)
    network.load_state_dict(random_state(SMALL), assign=True)
    return DiffusionPrior(network, VariancePreserving(BETAS), (3, 8, 8))


@pytest.mark.parametrize("make", [small_prior, tiny_prior])
def test_bfloat16_is_inside_the_network_alone(make):
    prior = make()
    x, sigma = torch.randn(2, *prior.image_shape, generator=torch.Generator().manual_seed(0)), torch.tensor([0.2, 2.0])
    exact = prior.denoise(x, sigma)
    rounded = prior.tune("bfloat16").denoise(x, sigma)
    assert next(prior.body.parameters()).dtype == torch.bfloat16
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    # eight bits of mantissa through a dozen layers
    assert (rounded - exact).norm() < 0.05 * (exact - x).norm()


def test_arithmetic_and_memory_of_a_convolution():
    class One(nn.Module):
        unit = 1

        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 8, 3, padding=1)

        def forward(self, x, t):
            return self.layer(x).relu().mean(1, keepdim=True)

    prior = DiffusionPrior(One(), VariancePreserving(BETAS), (1, 16, 16))
    cost = call_cost(prior, 4)
    assert cost.flops == 2 * 4 * 8 * 9 * 16 * 16
    assert cost.peak_bytes == 2 * 4 * 8 * 16 * 16 * 4  # the convolution's output and its relu


def test_the_projects_own_networks_are_counted_too():
    one, four = call_cost(tiny_prior(), 1), call_cost(tiny_prior(), 4)
    assert four.flops == pytest.approx(4 * one.flops, rel=0.01)
    assert four.peak_bytes > one.peak_bytes > 0


def test_memory_is_given_back_when_the_last_view_is_gone():
    with LiveBytes() as memory:
        a = torch.zeros(100)
        view = a[:10]
        del a
        b = view + 1
        del view, b
        c = torch.zeros(50)
        del c
    assert memory.peak == 440
    assert memory._now == 0


def test_the_imagenet_model_with_16_samples_fits_into_24_gb():
    prior = weightless(IMAGENET_256)
    cost = call_cost(prior, 16)
    assert prior.weight_bytes == pytest.approx(2 * 552.8e6, rel=1e-3)
    # attention is counted with its whole matrix of weights, which fused kernels do not keep
    assert prior.weight_bytes + cost.peak_bytes < 24e9
    assert call_cost(prior, 1).flops / 1e12 == pytest.approx(2.2, abs=0.15)  # 1.1 T multiply-adds, as its authors count


def test_cost_grows_with_the_batch():
    prior = weightless(FFHQ_10M, shape=(3, 64, 64))
    one, four = call_cost(prior, 1), call_cost(prior, 4)
    assert four.flops == pytest.approx(4 * one.flops, rel=0.01)
    assert 3 < four.peak_bytes / one.peak_bytes <= 4.01


def test_the_batch_is_what_memory_allows():
    prior = small_prior()
    per_image = call_cost(prior, 2).peak_bytes - call_cost(prior, 1).peak_bytes
    assert largest_batch(prior, 64) == 64
    assert largest_batch(prior, 64, free_bytes=10 * per_image) == 8
    assert largest_batch(prior, 64, free_bytes=1) == 1
    assert largest_batch(prior, 3, free_bytes=GIB) == 3
