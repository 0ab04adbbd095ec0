"""Hamiltonian Monte Carlo and the noise split to first order, against closed forms and grids."""

from dataclasses import replace

import pytest
import torch

import dpnp
import operators
from bench._problems import GridPosterior
from dpnp.consistency import HMC, MALA, consistency_sampler
from dpnp.consistency.metric import metric_for
from dpnp.consistency.split import SplitHMC
from dpnp.priors import Gaussian
from dpnp.rng import SampleStreams
from tests.dpnp.test_consistency import ETA, D, draws, exact_moments, problem
from tests.statistics import assert_moments, covariance_z, mean_z

PHASES = operators.PhaseRetrieval(image_shape=(1, 1, 2), oversampling=4, noise_std=0.3, mask="none")


def test_it_has_the_closed_forms_moments():
    model, y, x_k = problem()
    result = draws(HMC(model, y, trajectories=20), x_k, 2000)
    assert_moments(result.x, *exact_moments(model, y, x_k))
    assert result.info["acceptance"].mean() == pytest.approx(0.7, abs=0.15)


@pytest.mark.parametrize("metropolis", [True, False])
def test_without_its_metropolis_test_it_is_visibly_wrong(metropolis, monkeypatch):
    model, y, x_k = problem()
    monkeypatch.setattr("dpnp.consistency.hmc.ADAPTATION", 0.0)
    if not metropolis:
        monkeypatch.setattr("dpnp.consistency.hmc.select", lambda accept, new, old: new)
    sampler, large = HMC(model, y, trajectories=20), {"log_step": torch.full((2000,), -1.0, dtype=torch.float64)}
    streams = SampleStreams(0, range(2000), dtype=torch.float64)
    x = sampler.draw(x_k.expand(2000, -1, -1, -1), ETA, large, streams).x
    mean, covariance = exact_moments(model, y, x_k)
    if metropolis:
        assert_moments(x, mean, covariance)
    else:
        off = torch.cov(x.flatten(1).T).diag() / covariance.diag()
        assert not torch.isfinite(off).all() or off.max() > 1.3


@pytest.mark.parametrize("steps", [2, 3, 4, 7, 9, 10, 12, 40, 41])
def test_the_number_of_gradients_is_kept_to(steps):
    y = PHASES.simulate(torch.ones(1, 1, 2, dtype=torch.float64), seed=0)
    info = draws(consistency_sampler(PHASES, y, "auto", steps), torch.ones(1, 1, 1, 2, dtype=torch.float64), 1).info
    assert 0.8 * steps < info["gradient_calls"].item() <= steps + 1, "with that of the start"
    assert info["acceptance"].isfinite().all()


def test_behind_a_mask_the_split_is_the_chain_in_what_is_left_of_the_noise():
    model = operators.PhaseRetrieval(image_shape=(3, 8, 8), noise_std=0.3)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = model.simulate(x[0], seed=0)
    left = replace(model, noise_std=(0.3**2 - 0.25**2 / 2) ** 0.5)
    split, alone = consistency_sampler(model, y, "auto", 40, split=True), consistency_sampler(left, y, "auto", 40)
    a, b = (s.draw(x, 0.25, s.init(2), SampleStreams(0, range(2), dtype=torch.float64)) for s in (split, alone))
    assert torch.allclose(a.x, b.x)
    assert torch.allclose(a.info["acceptance"], b.info["acceptance"])


def test_a_wrong_gradient_is_visible(monkeypatch):
    """The test above has power, but not by the Metropolis test alone, which would hide it at the price of rejections."""
    model, y, x_k = problem()
    monkeypatch.setattr("dpnp.consistency.hmc.select", lambda accept, new, old: new)
    right = HMC._kick
    monkeypatch.setattr(HMC, "_kick", lambda self, *arguments: 0.7 * right(self, *arguments))
    x = draws(HMC(model, y, trajectories=20), x_k, 2000).x.flatten(1)
    assert (torch.cov(x.T).diag() / exact_moments(model, y, x_k)[1].diag()).max() > 1.3


def test_the_rotation_is_exact_without_a_likelihood():
    model = operators.Linear(torch.zeros(1, D, dtype=torch.float64), 1.0, (1, 1, D))
    _, _, x_k = problem()
    result = draws(HMC(model, torch.zeros(1, dtype=torch.float64), trajectories=4), x_k, 4000)
    assert torch.allclose(result.info["acceptance"], torch.ones(4000, dtype=torch.float64))
    assert_moments(result.x, x_k.flatten(), ETA**2 * torch.eye(D, dtype=torch.float64))


def test_every_chain_adapts_by_itself():
    model, y, x_k = problem()
    sampler = HMC(model, y, trajectories=8)
    together = draws(sampler, x_k, 6)
    alone = sampler.draw(x_k, ETA, sampler.init(1), SampleStreams(0, [4], dtype=torch.float64))
    assert torch.allclose(together.x[4], alone.x[0], atol=1e-10)
    assert torch.allclose(together.memory["log_step"][4], alone.memory["log_step"][0])
    assert together.memory["log_step"].std() > 0


@pytest.mark.parametrize("kind", ["auto", "mala"])
def test_an_even_maps_sign_is_drawn_by_its_probability(kind):
    """Two modes too far apart for a chain: x and -x, with weights e^{± x x_k / eta²}."""
    y = PHASES.simulate(torch.tensor([[[2.0, 1.0]]], dtype=torch.float64), seed=0)
    x_k = torch.tensor([[[0.03, 0.05]]], dtype=torch.float64)
    sampler = consistency_sampler(PHASES, y, kind, 60)
    x = sampler.draw(x_k.expand(4000, 1, 1, 2), 0.5, sampler.init(4000), SampleStreams(0, range(4000), dtype=torch.float64)).x
    axis = torch.linspace(-4, 4, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis).reshape(-1, 1, 1, 2)
    logs = PHASES.log_likelihood(grid, y) - (grid - x_k).square().flatten(1).sum(1) / (2 * 0.25)
    positive = (torch.softmax(logs, 0) * (grid.sum((1, 2, 3)) > 0)).sum()
    share = (x.sum((1, 2, 3)) > 0).double().mean()
    assert 0.55 < positive < 0.8, "both signs are likely"
    assert abs(share - positive) < 4.5 * (positive * (1 - positive) / 4000) ** 0.5


def test_behind_amplitudes_the_split_is_nearer_to_the_posterior():
    """With chains long enough for the split's own error to be what is left: 3.5 and 6.7 with the default 20 gradients."""
    mean = torch.tensor([1.5, 0.7], dtype=torch.float64)
    prior = Gaussian(mean, 0.16 * torch.eye(2, dtype=torch.float64), (1, 1, 2))
    y = PHASES.simulate(torch.tensor([[[1.8, 0.5]]], dtype=torch.float64), seed=0)
    exact = GridPosterior(prior, PHASES, y).sample(20_000, torch.Generator().manual_seed(0)).flatten(1)
    errors = {}
    for split in (True, False):
        long = {"n_iterations": 20, "eta_max": 0.25, "eta_min": 0.25, "denoising_steps": 8, "mala_steps": 40}
        sampler = dpnp.DPnP(**long, split_noise=split)
        post = dpnp.sample(prior, PHASES, y, sampler=sampler, n_samples=2000)
        errors[split] = covariance_z(post.samples.flatten(1), torch.cov(exact.T)).max()
    assert errors[True] < 0.5 * errors[False]
    assert errors[False] > 6


def test_a_weakly_masked_pixel_is_told_no_more_than_the_measurement_says():
    model = replace(PHASES, mask=[[3, 0.3]])
    prior = Gaussian(torch.tensor([1.0, 0.5], dtype=torch.float64), 0.16 * torch.eye(2, dtype=torch.float64), (1, 1, 2))
    y = model.simulate(torch.tensor([[[1.2, 0.8]]], dtype=torch.float64), seed=0)
    exact = GridPosterior(prior, model, y).sample(20_000, torch.Generator().manual_seed(0)).flatten(1)[:, 1]
    sampler = dpnp.DPnP(n_iterations=15, eta_max=0.15, eta_min=0.15, denoising_steps=8)
    weak = dpnp.sample(prior, model, y, sampler=sampler, n_samples=500).samples.flatten(1)[:, 1]
    assert abs(weak.mean() - exact.mean()) < 0.2 * exact.std()
    assert weak.std() == pytest.approx(exact.std().item(), rel=0.15)


def test_a_pixel_behind_the_mask_keeps_its_prior():
    model = replace(PHASES, mask=[[1, 0]])
    y = model.simulate(torch.tensor([[[1.8, 0.5]]], dtype=torch.float64), seed=0)
    prior = Gaussian(torch.tensor([1.5, 0.7], dtype=torch.float64), 0.16 * torch.eye(2, dtype=torch.float64), (1, 1, 2))
    sampler = dpnp.DPnP(n_iterations=10, eta_max=0.5, eta_min=0.25, denoising_steps=8)
    unseen = dpnp.sample(prior, model, y, sampler=sampler, n_samples=500).samples.flatten(1)[:, 1:]
    assert_moments(unseen, torch.tensor([0.7]), torch.tensor([[0.16]]))


@pytest.mark.parametrize(("mask", "gain"), [("none", 1.0), ([[-1, 0]], 1.0), ([[3, 0.3]], 0.3), ([[0, 0]], 0.0)])
def test_what_is_split_is_what_the_weakest_seen_pixel_puts_back(mask, gain):
    assert metric_for(replace(PHASES, mask=mask)).gain == pytest.approx(gain / 2**0.5)


def test_structure_says_what_is_split():
    y = PHASES.simulate(torch.ones(1, 1, 2, dtype=torch.float64), seed=0)
    split = consistency_sampler(PHASES, y, "auto", 40, split=True)
    assert isinstance(split, SplitHMC)
    assert isinstance(consistency_sampler(PHASES, y, "mala", 40, split=True), MALA)
    assert isinstance(consistency_sampler(PHASES, y, "auto", 40), HMC)


def test_what_does_not_divide_is_not_split():
    model = operators.Composed(image_shape=(1, 1, 2), physics={"kind": "fourier_magnitude"}, observation={"kind": "poisson"})
    y = model.simulate(torch.ones(1, 1, 2, dtype=torch.float64), seed=0)
    assert isinstance(consistency_sampler(model, y, "auto", 40, split=True), HMC)


def test_power_of_the_moment_check():
    model, y, x_k = problem()
    off = draws(HMC(model, 1.1 * y, trajectories=20), x_k, 2000).x.flatten(1)
    assert mean_z(off, exact_moments(model, y, x_k)[0]).max() > 4.5
