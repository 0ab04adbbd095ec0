"""The DPnP loop: its law, its independence of batches, and its resumption."""

import io
import math
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from pydantic import ValidationError

import dpnp
import operators
from bench._problems import LinearProblem, condition, gaussian_prior, mixture_prior, moments
from dpnp.samplers.begin import prior_mean
from dpnp.schedule import default_eta_min, geometric
from tests.statistics import assert_moments, covariance_z, mean_z

CONSTANT = {"eta_max": 0.5, "eta_min": 0.5, "n_iterations": 15, "split_noise": False}
SPLIT = {"eta_max": 0.25, "eta_min": 0.25, "n_iterations": 25}  # the noise has room for 0.3 / 1.13


@pytest.fixture
def problem():
    return LinearProblem.random(gaussian_prior(4), m=2, noise_std=0.3)


@pytest.mark.parametrize(
    "options",
    [
        {"denoising_steps": 16},
        {"denoising": "ddpm", "denoising_steps": 40},
        {"denoising_steps": 16, "consistency": "mala", "mala_steps": 16},
    ],
    ids=["exact+ddim", "exact+ddpm", "mala+ddim"],
)
def test_at_constant_eta_the_law_is_pi_eta(problem, options):
    post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=dpnp.DPnP(**CONSTANT, **options), n_samples=1000)
    assert_moments(post.samples, *moments(problem.stationary(0.5)))


def test_pi_eta_is_told_from_the_posterior(problem):
    """The test above has power: pi_eta and the posterior differ by more than its tolerance."""
    post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=dpnp.DPnP(**CONSTANT, denoising_steps=16), n_samples=4000)
    assert mean_z(post.samples.flatten(1), moments(problem.posterior)[0]).max() > 6


@pytest.mark.parametrize("options", [{"denoising_steps": 16}, {"denoising": "ddpm", "denoising_steps": 40}], ids=["ddim", "ddpm"])
def test_with_the_noise_split_the_law_is_the_posterior(problem, options):
    post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=dpnp.DPnP(**SPLIT, **options), n_samples=2000)
    assert_moments(post.samples, *moments(problem.posterior))


def test_without_the_split_it_is_told_from_the_posterior(problem):
    """The test above has power."""
    sampler = dpnp.DPnP(**SPLIT, denoising_steps=16, split_noise=False)
    post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=8000)
    assert covariance_z(post.samples.flatten(1), moments(problem.posterior)[1]).max() > 6


def test_beyond_the_noise_the_blur_is_what_the_split_cannot_take(problem):
    """Along singular values s with eta s > std the noise is eta s (and the twentieth of the variance that stays), along the others std."""
    post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=dpnp.DPnP(**CONSTANT | {"split_noise": True}), n_samples=2000)
    u, s, _ = torch.linalg.svd(problem.model.matrix, full_matrices=False)
    variance = (0.09 - 0.25 * s.square()).clamp_min(0.0045) + 0.25 * s.square()
    exact = condition(problem.prior, problem.model.matrix, problem.y, u @ variance.diag() @ u.T)
    assert_moments(post.samples, *moments(exact))


def test_annealing_reaches_the_posterior_of_a_unimodal_problem(problem):
    sampler = dpnp.DPnP(n_iterations=40, eta_max=2.0, eta_min=0.1, denoising_steps=8)
    post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=2000)
    mean, covariance = moments(problem.posterior)
    bias = (post.samples.flatten(1).mean(0) - mean).abs() / covariance.diag().sqrt()
    assert bias.max() < 0.15, "in units of the posterior's standard deviation"


def test_sample_i_depends_on_seed_and_i_alone():
    problem = LinearProblem.random(mixture_prior(4, 3), m=2, noise_std=0.2)
    for options in ({}, {"consistency": "mala", "mala_steps": 6}, {"denoising": "ddpm"}):
        sampler = dpnp.DPnP(n_iterations=5, **options)

        def run(n, batch=None, sampler=sampler):
            return dpnp.sample(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=n, seed=7, batch_size=batch).samples

        whole = run(7)
        assert torch.allclose(run(3), whole[:3], atol=1e-9)
        assert torch.allclose(run(7, batch=2), whole, atol=1e-9)
        assert (whole[0] - whole[1]).abs().max() > 1e-3
    other = dpnp.sample(problem.prior, problem.model, problem.y, sampler=dpnp.DPnP(n_iterations=5), n_samples=1, seed=8)
    assert (other.samples[0] - whole[0]).abs().max() > 1e-3


@pytest.mark.parametrize("options", [{}, {"consistency": "mala", "mala_steps": 6}, {"denoising": "ddpm"}])
def test_a_saved_run_continues_bit_for_bit(problem, options):
    def new():
        return dpnp.start(problem.prior, problem.model, problem.y, sampler=dpnp.DPnP(n_iterations=6, **options), n_samples=3, seed=1)

    whole = new()
    while not whole.done:
        whole.step()
    first = new()
    for _ in range(4):
        first.step()
    buffer = io.BytesIO()
    torch.save(first.state_dict(), buffer)
    buffer.seek(0)
    second = new()
    second.load_state_dict(torch.load(buffer, weights_only=True))
    assert second.step_index == 4
    while not second.done:
        second.step()
    assert torch.equal(second.posterior().samples, whole.posterior().samples)


def test_a_checkpoint_of_other_samples_is_refused(problem):
    a = dpnp.start(problem.prior, problem.model, problem.y, n_samples=2, seed=0)
    b = dpnp.start(problem.prior, problem.model, problem.y, n_samples=3, seed=0)
    with pytest.raises(ValueError, match="expected streams of seed 0"):
        b.load_state_dict(a.state_dict())


def test_nfe_counts_the_denoiser_calls(problem):
    sampler = dpnp.DPnP(n_iterations=3, denoising_steps=5)
    run = dpnp.start(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=4, batch_size=2)
    calls = []
    run.on_denoiser_call = lambda: calls.append(1)
    while not run.done:
        run.step()
    assert run.posterior().nfe == 15
    assert len(calls) == 30, "two batches each"


def test_a_start_at_the_priors_mean_is_one_more_denoiser_call(problem):
    sampler = dpnp.DPnP(n_iterations=2, denoising_steps=3, eta_max=1.0)
    run = dpnp.start(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=2)
    calls = []
    run.on_denoiser_call = lambda: calls.append(1)
    while not run.done:
        run.step()
    assert run.posterior().nfe == len(calls) == 7


def test_the_mean_that_chains_start_from_is_the_priors():
    torch.manual_seed(0)
    prior = dpnp.priors.Gaussian(torch.full((9,), 0.3), 0.25 * torch.eye(9), (1, 3, 3))
    start = prior_mean(prior, torch.randn(1000, 1, 3, 3))
    left = 20 * 0.25 / (20**2 + 0.25)  # what D(20 e, 20) keeps of e
    assert start.mean().item() == pytest.approx(0.3, abs=4.5 * left / 9000**0.5 + 1e-3)
    assert start.std().item() == pytest.approx(left, rel=0.05)


def test_every_chain_of_a_phase_retrieval_finds_the_image():
    """From eta 10 the worst residual of these twelve chains is 1.5, of one that ended in a wrong mode."""
    t = torch.arange(16.0, dtype=torch.float64)
    rows = torch.exp(-0.5 * ((t[:, None] - t) / 2).square())
    mean = 0.5 * torch.outer(torch.cos(t / 3), torch.sin(t / 4))
    prior = dpnp.priors.Gaussian(mean.flatten(), 0.15 * torch.kron(rows, rows) + 1e-3 * torch.eye(256), (1, 16, 16))
    model = operators.PhaseRetrieval((1, 16, 16), noise_std=0.05)
    y = model.simulate(prior.sample(1, torch.Generator().manual_seed(0))[0], seed=0)
    post = dpnp.sample(prior, model, y, sampler=dpnp.DPnP(n_iterations=15, denoising_steps=4), n_samples=12, seed=1)
    assert model.residual(post.samples, y).max().item() < 1.2


def test_a_callback_can_stop_a_run_at_a_denoiser_call(problem):
    class Cancelled(Exception):
        pass

    def stop():
        raise Cancelled

    run = dpnp.start(problem.prior, problem.model, problem.y, n_samples=2)
    run.on_denoiser_call = stop
    with pytest.raises(Cancelled):
        run.step()
    assert run.step_index == 0


class Broken:
    """A prior that answers NaN for one image of the batch."""

    image_shape: ClassVar = (1, 1, 4)
    device, dtype = torch.device("cpu"), torch.float64

    def denoise(self, x, sigma):
        x = x.clone()
        x[1] = math.nan
        return x


def test_nan_is_an_error_that_names_step_and_sample(problem):
    with pytest.raises(dpnp.DivergedError, match=r"after step 1 of 30 in samples \[1\]"):
        dpnp.sample(Broken(), problem.model, problem.y, n_samples=3)


def test_problems_that_do_not_fit_are_refused(problem):
    with pytest.raises(dpnp.ShapeError, match=r"\(1, 1, 4\).*\(1, 2, 2\)"):
        dpnp.sample(problem.prior, operators.Linear(torch.eye(4), 0.1, (1, 2, 2)), problem.y)
    with pytest.raises(dpnp.ShapeError, match=r"\(2,\).*\(3,\)"):
        dpnp.sample(problem.prior, problem.model, torch.zeros(3))
    with pytest.raises(dpnp.MeasurementError, match="1 of 2"):
        dpnp.sample(problem.prior, problem.model, torch.tensor([0.0, math.nan]))
    with pytest.raises(ValueError, match="n_samples must be at least 1"):
        dpnp.sample(problem.prior, problem.model, problem.y, n_samples=0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"n_iterations": 0}, "n_iterations"), ({"eta_max": -1}, "eta_max"), ({"denoising": "dpm"}, "denoising"), ({"steps": 3}, "steps")],
)
def test_bad_settings_are_named(parameters, message):
    with pytest.raises(ValidationError, match=message):
        dpnp.samplers.build("dpnp", parameters)


def test_an_unknown_sampler_lists_the_known():
    with pytest.raises(dpnp.UnknownSamplerError, match="dpnp"):
        dpnp.samplers.build("dnpp", {})


def test_the_schedule_is_geometric_from_max_to_min(problem):
    etas = geometric(8.0, 0.5, 5)
    assert etas == pytest.approx([8, 4, 2, 1, 0.5])
    assert geometric(8.0, 0.5, 1) == [0.5]
    gain = torch.linalg.matrix_norm(problem.model.matrix, 2).item()
    for split, largest in ((False, 0.15), (True, 0.25)):
        assert default_eta_min(problem.model, split) == pytest.approx(min(0.15 / gain, largest)), "half the noise level in the measurement"
        assert default_eta_min(operators.Linear(100 * torch.eye(4), 0.1, (1, 1, 4)), split) == 0.05
        assert default_eta_min(operators.Linear(0 * torch.eye(4) + 1e-3, 0.1, (1, 1, 4)), split) == largest


SHAPE = (1, 8, 8)
NOISY = operators.SuperResolution(image_shape=SHAPE, factor=2, noise_std=1)
BITS = operators.Quantization(image_shape=SHAPE, tau=1)
PHASES = operators.PhaseRetrieval(image_shape=SHAPE, noise_std=1)
PHOTONS = operators.Composed(image_shape=SHAPE, physics={"kind": "fourier_magnitude"}, observation={"kind": "poisson", "peak": 5})


@pytest.mark.parametrize(
    ("model", "settings", "last"),
    [
        (NOISY, {}, 0.25),
        (NOISY, {"split_noise": False}, 0.15),
        (NOISY, {"consistency": "mala"}, 0.15),
        (BITS, {}, 0.25),
        (replace(BITS, looks=2), {}, 0.15),
        (PHASES, {}, 0.25),
        (PHASES, {"resampling": "smc"}, 0.15),
        (PHOTONS, {}, 0.15),
    ],
)
def test_only_where_eta_is_taken_out_of_the_noise_may_the_last_be_large(model, settings, last):
    kernel = dpnp.DPnP(**settings).kernel(None, model, torch.zeros(model.measurement_shape))
    assert getattr(kernel, "move", kernel).etas[-1] == pytest.approx(last)


def test_the_posterior_summarises_its_samples():
    samples = torch.randn(50, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    post = dpnp.Posterior(samples, nfe=12, diagnostics={"data_residual": 1.0})
    assert torch.allclose(post.mean, samples.mean(0))
    assert torch.allclose(post.std, samples.std(0))
    assert torch.allclose(post.quantile(0.5), samples.quantile(0.5, dim=0))
    assert torch.equal(dpnp.Posterior(samples[:1], nfe=1).std, torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match=r"got 1\.5"):
        post.quantile(1.5)
    data = post.to_arviz()
    assert data.posterior["x"].shape == (1, 50, 1, 2, 3)
    assert data.posterior.attrs["nfe"] == 12
