"""The posterior benchmark: its metrics know the answers, and its command writes table and plot."""

import json

import pytest
import torch

from bench._problems import GridPosterior, LinearProblem, mixture_prior, moments
from bench._tuning import best_step_size
from bench.posterior import metrics
from bench.posterior.__main__ import main
from bench.posterior.calibration import calibrate
from bench.posterior.families import FAMILIES, PAIR
from bench.posterior.methods import METHODS, Outcome, exactly
from bench.posterior.scores import Score, Yardstick

LEVELS = torch.linspace(0, 1, 21, dtype=torch.float64)


def generator(seed):
    return torch.Generator().manual_seed(seed)


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
        gap = metrics.rank_distribution(all_ranks, n, LEVELS) - LEVELS[:, None]
        assert (gap.abs().max() < 0.09) == (width == 1.0)


def test_tarp_tells_right_from_overconfident():
    truths, references = normal(400, 3, 0), normal(400, 3, 1)
    for width, right in ((1.0, True), (0.4, False)):
        credibilities = [
            metrics.tarp_credibility(width * normal(50, 3, 10 + i), t, r) for i, (t, r) in enumerate(zip(truths, references, strict=True))
        ]
        gap = metrics.tarp_coverage(torch.tensor(credibilities), LEVELS) - LEVELS
        assert (gap.abs().max() < 0.09) == right


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
    problem = LinearProblem.random(mixture_prior(2, 3, separation=0.9), m=1, noise_std=0.3)
    assert problem.prior.image_shape == PAIR
    draws = GridPosterior(problem.prior, problem.model, problem.y).sample(20_000, torch.Generator().manual_seed(0)).flatten(1)
    mean, covariance = moments(problem.posterior)
    assert ((draws.mean(0) - mean).abs() < 4.5 * (covariance.diag() / 20_000).sqrt() + 1e-3).all()


def test_exact_sampling_scores_the_floor_and_a_wrong_law_does_not():
    yardsticks = [Yardstick.of(FAMILIES["6 modes, d 16, m 2"](seed), 400, seed) for seed in range(3)]
    exact = Score.of(exactly, yardsticks, "", "", 0, None)
    assert exact.least > 0.5
    assert exact.greatest < 2
    prior = Score.of(lambda problem, n, seed: Outcome(problem.prior.sample(n, generator(seed)).flatten(1), 0), yardsticks, "", "", 0, None)
    assert prior.least > 3
    diverged = Score.of(lambda problem, n, seed: Outcome(None, 0), yardsticks, "", "", 0, None)
    assert diverged.sw2_over_floor == float("inf")


def test_exact_sampling_is_calibrated_and_the_prior_is_not():
    exact = calibrate("exact", exactly, 200, 40)
    # 1600 intervals of 200 independent truths; the largest of 8 x 21 gaps of 200 ranks stays under 0.15 (Kolmogorov at 0.1%, 8 times)
    assert exact.coverage_90 == pytest.approx(0.9, abs=0.03)
    assert exact.sbc_deviation < 0.15
    assert exact.tarp_deviation < 0.14
    shifted = calibrate("shifted", lambda p, n, seed: Outcome(exactly(p, n, seed).samples + 0.5, 0), 200, 40)
    assert shifted.coverage_90 < 0.85
    assert shifted.sbc_deviation > 0.3


def test_the_walk_ends_between_worse_step_sizes():
    costs = {}

    def cost(step):
        costs[step] = abs(step - 0.2) if step < 3 else float("inf")
        return costs[step]

    for start in (0.01, 1.0, 10.0):
        costs.clear()
        best = best_step_size(cost, start)
        assert best == pytest.approx(0.2, rel=0.35)
        assert min(costs) < best < max(costs)
    assert best_step_size(lambda step: 1.0, 0.5) == 0.5


def test_a_patient_walk_steps_over_one_worse_step_size():
    def cost(step):
        return abs(step - 10.0) + (20.0 if 1.5 < step < 4.0 else 0.0)

    assert best_step_size(cost, 1.0) == 1.0
    assert best_step_size(cost, 1.0, patience=2) == 1.0, "two bad neighbours end it"
    assert best_step_size(cost, 1.0, patience=3) == pytest.approx(10.0)


def test_methods_make_the_calls_that_they_are_asked_for():
    problem = FAMILIES["gaussian, d 16, m 8"](0)
    for method in METHODS.values():
        for calls in (40, 80, 160, 320):
            assert method.sampler(calls, 0.1).kernel(problem.prior, problem.model, problem.y).nfe == calls


KEYS = {"scores": "sw2_over_floor", "calibration": "coverage_90"}


def test_the_command_writes_results_tables_and_plots(tmp_path):
    options = ["--samples", "40", "--problems", "1", "--simulations", "2", "--calls", "40", "--families", "gaussian, d 16, m 8"]
    main([*options, "--out", str(tmp_path)])
    results = json.loads((tmp_path / "results.json").read_text())
    assert {(row["family"], row["calls"]) for row in results["scores"]} == {("gaussian, d 16, m 8", 0), ("gaussian, d 16, m 8", 40)}
    page = (tmp_path / "README.md").read_text()
    for text in ("exact sampling", "| gaussian, d 16, m 8 | DPnP-SMC | ", "90% coverage", "CPU seconds"):
        assert text in page
    assert all((tmp_path / plot).stat().st_size > 5000 for plot in ("calls.png", "seconds.png", "calibration.png"))
    marked = {part: [{**row, KEYS[part]: 77.0} for row in rows] for part, rows in results.items()}
    (tmp_path / "results.json").write_text(json.dumps(marked))
    main([*options, "--out", str(tmp_path), "--methods", "DPnP-DDIM"])
    again = json.loads((tmp_path / "results.json").read_text())
    for part, key in KEYS.items():
        assert [row["method"] for row in again[part]] == [row["method"] for row in results[part]]
        for row, first in zip(again[part], results[part], strict=True):
            assert row[key] == (pytest.approx(first[key]) if row["method"] == "DPnP-DDIM" else 77.0)
