"""The posterior benchmark: its metrics know the answers, and its command writes table and plot."""

import json
import subprocess
import sys

import pytest
import torch

from bench.posterior import metrics
from bench.posterior.families import FAMILIES, PAIR
from bench.posterior.report import tables


def normal(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_sliced_w2_of_a_shift_is_its_length_over_root_d():
    a = normal(2000, 4, 0)
    shift = torch.tensor([1.0, 0.0, 0.0, 2.0], dtype=torch.float64)
    # the mean square projection of a vector v on random directions is |v|²/d; 256 directions give it to 10%
    assert metrics.sliced_w2(a, a + shift) == pytest.approx((5 / 4) ** 0.5, rel=0.15)
    assert metrics.sliced_w2(a, a) == 0
    assert metrics.sliced_w2(a, normal(2000, 4, 1)) < 0.1


def test_ranks_of_exact_samples_are_calibrated_and_of_narrow_ones_are_not():
    truths, n = normal(400, 3, 0), 50
    for width, expected in ((1.0, 0.9), (0.5, 0.59)):
        all_ranks = torch.stack([metrics.ranks(width * normal(n, 3, 10 + i), t) for i, t in enumerate(truths)])
        # 1200 intervals, each right with probability p: standard error below 0.015
        assert metrics.coverage(all_ranks, n, 0.9) == pytest.approx(expected, abs=0.06)
        assert (metrics.uniformity(all_ranks, n) < 0.09) == (width == 1.0)


def test_tarp_tells_right_from_overconfident():
    truths, references = normal(400, 3, 0), normal(400, 3, 1)
    for width, right in ((1.0, True), (0.4, False)):
        credibilities = [
            metrics.tarp_credibility(width * normal(50, 3, 10 + i), t, r) for i, (t, r) in enumerate(zip(truths, references, strict=True))
        ]
        assert (metrics.tarp_error(torch.tensor(credibilities)) < 0.09) == right


@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_family_has_an_exact_posterior_that_explains_its_measurement(name):
    problem = FAMILIES[name](0)
    draws = problem.exact.sample(300, torch.Generator().manual_seed(0))
    again = problem.exact.sample(300, torch.Generator().manual_seed(1))
    assert draws.shape == (300, *problem.model.image_shape)
    assert metrics.sliced_w2(draws.flatten(1), again.flatten(1)) < 0.5 * draws.flatten(1).std(0).norm()
    assert (
        problem.model.log_likelihood(draws, problem.y).mean()
        > problem.model.log_likelihood(problem.prior.sample(300, torch.Generator().manual_seed(2)), problem.y).mean()
    )


def test_the_grid_posterior_agrees_with_the_closed_form():
    from bench._problems import GridPosterior, LinearProblem, mixture_prior, moments

    problem = LinearProblem.random(mixture_prior(2, 3, separation=0.9), m=1, noise_std=0.3)
    assert problem.prior.image_shape == PAIR
    draws = GridPosterior(problem.prior, problem.model, problem.y).sample(20_000, torch.Generator().manual_seed(0)).flatten(1)
    mean, covariance = moments(problem.posterior)
    assert ((draws.mean(0) - mean).abs() < 4.5 * (covariance.diag() / 20_000).sqrt() + 1e-3).all()


def test_the_command_writes_results_table_and_plot(tmp_path):
    options = ["--samples", "40", "--problems", "1", "--simulations", "2", "--families", "one bit, d 2", "--out", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "bench.posterior", *options], check=True, capture_output=True, timeout=200)
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["distance"]) == {"one bit, d 2"}
    assert all(row["nfe"] == 160 for methods in results["distance"].values() for row in methods.values())
    assert "| DPnP-SMC |" in tables(results)
    assert "90% coverage" in (tmp_path / "README.md").read_text()
    assert (tmp_path / "distance.png").stat().st_size > 5000
