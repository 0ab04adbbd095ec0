"""Calibration over simulated truths: coverage, simulation-based calibration ranks, TARP."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from bench._problems import LinearProblem, gaussian_prior
from bench.posterior.families import Problem
from bench.posterior.methods import Draw
from bench.posterior.metrics import coverage, rank_distribution, ranks, tarp_coverage, tarp_credibility


@dataclass(frozen=True)
class Calibration:
    """Coverage of the central 50% and 90% intervals; the ranks' distribution function and TARP's expected coverage at ``levels``.

    Both curves are the levels themselves where the samples' law is the posterior. ``sbc`` is one curve per coordinate.
    """

    method: str
    coverage_50: float
    coverage_90: float
    levels: list[float]
    sbc: list[list[float]]
    tarp: list[float]

    @property
    def sbc_deviation(self) -> float:
        """The largest gap to uniform ranks over coordinates and levels."""
        return max(abs(a - level) for curve in self.sbc for a, level in zip(curve, self.levels, strict=True))

    @property
    def tarp_deviation(self) -> float:
        """The largest gap between expected coverage and level."""
        return max(abs(a - level) for a, level in zip(self.tarp, self.levels, strict=True))


def simulated(seed: int) -> tuple[Problem, torch.Tensor]:
    """A unimodal problem with a truth drawn from its prior, and that truth."""
    prior = gaussian_prior(8, seed=0)
    template = LinearProblem.random(prior, 4, 0.3)
    truth = prior.sample(1, torch.Generator().manual_seed(10_000 + seed))[0]
    problem = replace(template, y=template.model.simulate(truth, seed))
    return Problem(prior, problem.model, problem.y, problem.posterior), truth.flatten()


def calibrate(method: str, draw: Draw, simulations: int, n: int) -> Calibration:
    """Run ``draw`` on ``simulations`` truths with ``n`` samples each. Raises ``ArithmeticError`` when a chain diverges."""
    all_ranks, credibilities = [], []
    generator = torch.Generator().manual_seed(1)
    for seed in range(simulations):
        problem, truth = simulated(seed)
        samples = draw(problem, n, seed).samples
        if samples is None:
            raise ArithmeticError(f"{method} diverged in simulation {seed}")
        all_ranks.append(ranks(samples, truth))
        reference = problem.prior.sample(1, generator).flatten()
        credibilities.append(tarp_credibility(samples, truth, reference))
    stacked, levels = torch.stack(all_ranks), torch.linspace(0, 1, 21, dtype=torch.float64)
    curves = rank_distribution(stacked, n, levels).T.tolist(), tarp_coverage(torch.tensor(credibilities), levels).tolist()
    return Calibration(method, coverage(stacked, n, 0.5), coverage(stacked, n, 0.9), levels.tolist(), *curves)
