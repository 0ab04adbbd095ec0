"""Posterior sampling where JPEG is the noise model of another map."""

import pytest
import torch

import dpnp
import operators
from dpnp.consistency import HMC, SpectralGaussian, consistency_sampler
from dpnp.consistency.blurred import BlurredCells
from dpnp.consistency.entrywise import EntrywiseExact
from dpnp.priors import Gaussian
from dpnp.rng import SampleStreams
from tests.statistics import MAX_Z, mean_z

BICUBIC = {"kind": "bicubic", "factor": 2}
FINE = [[1] * 8] * 8


def composed(shape, physics, **jpeg):
    return operators.build("composed", {"physics": physics, "observation": {"kind": "jpeg", **jpeg}}, shape)


@pytest.mark.parametrize(
    ("physics", "shape", "kind"),
    [
        ({"kind": "identity"}, (1, 8, 8), EntrywiseExact),
        ({"kind": "identity"}, (3, 8, 8), BlurredCells),
        ({"kind": "blur"}, (3, 8, 8), BlurredCells),
        ({"kind": "blur", "std": 1, "boundary": "zero"}, (1, 8, 8), HMC),
        (BICUBIC, (1, 16, 16), HMC),
        ({"kind": "inpainting"}, (1, 8, 8), HMC),
    ],
)
def test_structure_picks_the_sampler(physics, shape, kind):
    model = composed(shape, physics)
    assert isinstance(consistency_sampler(model, torch.zeros(model.measurement_shape), "auto", 20), kind)


def test_with_cells_much_narrower_than_the_noise_the_draws_are_gaussian():
    shape, std, eta, n = (1, 16, 16), 0.2, 0.5, 800
    model = composed(shape, BICUBIC, noise_std=std, table=FINE)
    x_k = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    y = model.simulate(x_k.flip(-1), seed=1)
    bicubic, dct = model.map.first, model.map.last
    low = dct.adjoint((model.noise.scaling.zero.value + y * model.noise.scaling.step.value)[None])[0]

    def draws(sampler, seed):
        streams = SampleStreams(seed, range(n), dtype=torch.float64)
        return sampler.draw(x_k.expand(n, *shape), eta, sampler.init(n), streams).x.flatten(1)

    ours, exact = draws(consistency_sampler(model, y, "auto", 80), 0), draws(SpectralGaussian(bicubic.svd(), low, std), 1)
    for f in (lambda x: x, lambda x: x.square()):
        assert mean_z(f(ours) - f(exact), torch.zeros(256)).max() < MAX_Z


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16)])
def test_a_posterior_explains_the_file_and_knows_what_was_compressed(shape):
    d = torch.Size(shape).numel()
    prior = Gaussian(torch.zeros(d), 0.3**2 * torch.eye(d), shape)
    x = 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    model = composed(shape, BICUBIC, quality=95)
    y = model.simulate(x, seed=0)
    post = dpnp.sample(prior, model, y, sampler=dpnp.DPnP(n_iterations=12, denoising_steps=4), n_samples=4, seed=0)
    truth, guess = (model.map.last.components(model.map(v[None]))[0] for v in (x, post.mean.to(x)))
    assert post.diagnostics["data_residual"] < 2
    assert (guess - truth).std() < 0.5 * truth.std(), "of grey, or Y"
