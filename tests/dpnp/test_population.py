"""Population resampling: right mode weights where annealed chains freeze."""

import io
import math
from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError

import dpnp
import operators
from bench._problems import LinearProblem, mixture_prior, moments
from dpnp.consistency import HMC, EntrywiseExact, SpectralGaussian
from dpnp.rng import SampleStreams
from dpnp.samplers.population import effective_sample_size, systematic_resample
from dpnp.samplers.tempering import AdaptiveEtas
from dpnp.smoothed import GaussianSmoothed, MonteCarloSmoothed, SeparableSmoothed, smoothed_likelihood
from operators.maps import Map

SMC = {"resampling": "smc", "n_iterations": 20, "denoising_steps": 8, "eta_min": 0.1}


@pytest.fixture
def problem():
    """Well separated modes and two noisy measurements; the posterior has several of them."""
    return LinearProblem.random(mixture_prior(8, 6, seed=0), m=1, noise_std=0.3)


def mode_shares(samples, posterior):
    """Share of the samples that lie nearest (in the posterior's own component densities) to each component."""
    flat = samples.flatten(1)
    logs = torch.stack(
        [torch.distributions.MultivariateNormal(m, c).log_prob(flat) for m, c in zip(posterior.means, posterior.covariances, strict=True)]
    )
    return torch.bincount(logs.argmax(0), minlength=len(posterior.means)) / len(flat)


def test_mode_weights_are_right_with_resampling_and_wrong_without(problem):
    exact = problem.posterior
    assert (exact.weights > 0.3).sum() == 2, "the problem has two modes"
    errors = {}
    for resampling in ("none", "smc"):
        sampler = dpnp.DPnP(**{**SMC, "resampling": resampling})
        post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=1000)
        errors[resampling] = (mode_shares(post.samples, exact) - exact.weights).abs().max().item()
    # a share of 1/2 in 1000 independent draws has a standard error of 0.016; particles share ancestors
    assert errors["smc"] < 0.06
    assert errors["none"] > 0.15


def test_the_importance_correction_reaches_the_posterior_from_a_larger_eta(problem):
    _, covariance = moments(problem.posterior)
    deviations = {}
    for correction in ("none", "importance"):
        sampler = dpnp.DPnP(**{**SMC, "eta_min": 0.5}, correction=correction)
        post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=2000)
        fitted = post.samples.flatten(1) @ problem.model.matrix.T
        exact = problem.model.matrix @ covariance @ problem.model.matrix.T
        deviations[correction] = abs(fitted.var() / exact - 1).item()
    assert deviations["importance"] < 0.15 < deviations["none"]


def test_the_population_reports_how_degenerate_it_is(problem):
    post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=dpnp.DPnP(**SMC), n_samples=200)
    assert 1 <= post.diagnostics["distinct_ancestors"] <= 200
    assert 1 <= post.diagnostics["effective_sample_size"] <= 200


def test_a_saved_population_continues_bit_for_bit(problem):
    def new():
        return dpnp.start(problem.prior, problem.model, problem.y, sampler=dpnp.DPnP(**SMC), n_samples=50, seed=3)

    whole, first, second = new(), new(), new()
    while not whole.done:
        whole.step()
    for _ in range(9):
        first.step()
    buffer = io.BytesIO()
    torch.save(first.state_dict(), buffer)
    buffer.seek(0)
    second.load_state_dict(torch.load(buffer, weights_only=True))
    while not second.done:
        second.step()
    assert torch.equal(second.posterior().samples, whole.posterior().samples)


def test_systematic_resampling_is_unbiased_and_keeps_equal_weights():
    weights = torch.tensor([0.05, 0.5, 0.15, 0.3], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(4, dtype=torch.float64)
    for _ in range(4000):
        counts += torch.bincount(systematic_resample(weights.log(), torch.rand((), generator=generator).item()), minlength=4)
    # each count is the floor or the ceiling of 4 w: a variance of at most 1/4
    assert ((counts / 4000 - 4 * weights).abs() < 4.5 * 0.5 / math.sqrt(4000)).all()
    assert torch.equal(systematic_resample(torch.zeros(5), 0.3), torch.arange(5))


def test_the_effective_sample_size_is_n_for_equal_weights_and_one_for_a_single_particle():
    assert effective_sample_size(torch.full((7,), -3.0)) == pytest.approx(7)
    assert effective_sample_size(torch.tensor([0.0, -200.0, -200.0])) == pytest.approx(1)


def test_the_closed_form_is_the_gaussian_convolution(problem):
    smoothed = smoothed_likelihood(problem.model, problem.y, draws=1)
    assert isinstance(smoothed, GaussianSmoothed)
    x = torch.randn(5, 1, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a = problem.model.matrix
    for eta in (0.0, 0.3, 5.0):
        covariance = 0.09 * torch.eye(len(a), dtype=torch.float64) + eta**2 * a @ a.T
        oracle = torch.distributions.MultivariateNormal(x.flatten(1) @ a.T, covariance).log_prob(problem.y)
        assert torch.allclose(smoothed.log_density(x, eta), oracle, rtol=1e-9)
    room = 0.3 / torch.linalg.matrix_norm(a, 2).item()
    split = smoothed_likelihood(problem.model, problem.y, draws=1, split=True)
    assert torch.allclose(split.log_density(x, 0.9 * room), problem.model.log_likelihood(x, problem.y)), "eta is a part of the noise"
    assert torch.allclose(split.log_density(x, 99 * room), smoothed.log_density(x, (99**2 - 0.95) ** 0.5 * room)), "and stands for it"
    assert torch.allclose(smoothed.log_density(x, 0.0), problem.model.log_likelihood(x, problem.y))


def test_the_monte_carlo_weights_tend_to_the_closed_form(problem):
    x = problem.posterior.sample(4, torch.Generator().manual_seed(0))
    exact = smoothed_likelihood(problem.model, problem.y, 1)
    streams = SampleStreams(0, range(4), dtype=torch.float64)
    estimate = MonteCarloSmoothed(problem.model, problem.y, draws=8000).log_ratio(x, 0.8, 0.6, streams)
    assert torch.allclose(estimate, exact.log_ratio(x, 0.8, 0.6, streams), atol=0.1)


def test_adaptive_etas_keep_the_population_effective_and_find_the_modes(problem):
    sampler = dpnp.DPnP(resampling="smc", n_iterations=60, denoising_steps=8, eta_min=0.1, adaptive_ess=0.9)
    run = dpnp.start(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=500)
    etas = []
    while not run.done:
        run.step()
        etas.append(run.state_dict()["state"]["memory"]["eta"][0].item())
    assert etas[0] == 10.0
    assert all(a >= b for a, b in pairwise(etas))
    assert etas[-2] == etas[-1] == pytest.approx(0.1), "the end was reached before the last iteration"
    post = run.posterior()
    assert (mode_shares(post.samples, problem.posterior) - problem.posterior.weights).abs().max() < 0.1


def test_the_adaptive_step_is_where_the_conditional_ess_is_the_target(problem):
    smoothed = smoothed_likelihood(problem.model, problem.y, 1)
    x = problem.prior.sample(400, torch.Generator().manual_seed(0))
    choice = AdaptiveEtas(first=10.0, last=0.01, total=50, target=0.8, smoothed=smoothed)
    log_weights = torch.randn(400, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    eta = choice.following(1, 10.0, x, log_weights, None)
    assert 0.01 < eta < 10
    weights = torch.softmax(log_weights, 0)
    increment = (smoothed.log_density(x, eta) - smoothed.log_density(x, 10.0)).exp()
    assert (weights @ increment) ** 2 / (weights @ increment.square()) == pytest.approx(0.8, abs=1e-3)
    assert choice.following(49, 10.0, x, log_weights, None) == 0.01, "the last iteration is at eta_min"


def test_estimated_weights_cannot_choose_eta(problem):
    class Sine(Map):
        def __call__(self, x):
            return problem.model.map(x).sin()

    class Bent(operators.ForwardModel):
        image_shape = problem.model.image_shape
        map, noise = Sine(), problem.model.noise

    with pytest.raises(dpnp.UnsupportedError, match="adaptive_ess"):
        dpnp.DPnP(resampling="smc", adaptive_ess=0.5).kernel(problem.prior, Bent(), problem.y)


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize(
    ("model", "sampler", "smoothed"),
    [
        (operators.SuperResolution(image_shape=(1, 8, 8), factor=2), SpectralGaussian, GaussianSmoothed),
        (operators.Quantization(image_shape=(1, 8, 8)), EntrywiseExact, SeparableSmoothed),
        (operators.PhaseRetrieval(image_shape=(1, 8, 8)), HMC, MonteCarloSmoothed),
    ],
)
def test_the_weights_are_those_of_the_split_that_the_move_uses(model, sampler, smoothed, split):
    """Behind amplitudes of none: only there are they estimates."""
    kernel = dpnp.DPnP(resampling="smc", split_noise=split).kernel(None, model, torch.zeros(model.measurement_shape))
    assert type(kernel.move.consistency) is sampler
    assert type(kernel.smoothed) is smoothed
    used = [getattr(part, "split", False) for part in (kernel.move.consistency, kernel.smoothed)]
    assert used == [split and sampler is not HMC] * 2


def test_estimated_weights_tell_particles_apart():
    """Copies of one particle get weights that differ by the estimate's error alone, 11 here: 227 in the noise that a split leaves."""
    model = operators.PhaseRetrieval(image_shape=(1, 16, 16), noise_std=0.2)
    x = 0.5 * torch.randn(1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kernel = dpnp.DPnP(resampling="smc").kernel(None, model, model.simulate(x, seed=0))
    streams = SampleStreams(0, range(24), dtype=torch.float64)
    assert kernel.smoothed.log_ratio(x.expand(24, -1, -1, -1), 1.0, 0.85, streams).std() < 20


@pytest.mark.parametrize("options", [{"correction": "importance"}, {"adaptive_ess": 0.5}, {"resampling": "smc", "draws_per_chain": 2}])
def test_options_that_need_a_population_or_chains_are_refused_without(options):
    with pytest.raises(ValidationError, match="need"):
        dpnp.DPnP(**options)
