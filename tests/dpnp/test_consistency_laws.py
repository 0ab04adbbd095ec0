"""Every forward model's own consistency sampler against long chains of plain MALA, on tiny images."""

import pytest
import torch

import operators
from dpnp.consistency import MALA, consistency_sampler
from dpnp.rng import SampleStreams
from tests.operators.test_laws import NOT_WITHOUT, VARIANTS

SHAPE, ETA, N = (1, 4, 4), 0.3, 500
CASES = [(name, {}) for name in operators.names() if name not in NOT_WITHOUT] + [
    (name, p) for name, variants in VARIANTS.items() if name not in NOT_WITHOUT for p in variants[::4]
]


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=str)
def test_consistency_draws_follow_the_target(name, parameters):
    model = operators.build(name, parameters, SHAPE)
    x_k = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    y = model.simulate(x_k.flip(-1), seed=1)

    def draws(sampler, seed):
        streams = SampleStreams(seed, range(N), dtype=torch.float64)
        return sampler.draw(x_k.expand(N, *SHAPE), ETA, sampler.init(N), streams).x.flatten(1)

    ours = draws(consistency_sampler(model, y, "auto", 100), 0)
    plain = draws(MALA(model, y, steps=150), 1)
    for f in (lambda x: x, lambda x: x.square()):
        error = ((f(ours).var(0) + f(plain).var(0)) / N).sqrt()
        assert ((f(ours).mean(0) - f(plain).mean(0)) / error).abs().max() < 4.5
