"""Calibration over simulated truths: coverage, simulation-based calibration ranks, TARP."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench._problems import gaussian_prior
from bench.posterior.families import Problem, linear
from bench.posterior.methods import run
from bench.posterior.metrics import coverage, ranks, tarp_credibility, tarp_error, uniformity
from dpnp.samplers import Sampler


@dataclass(frozen=True)
class Calibration:
    """Coverage of the central 50% and 90% intervals, largest SBC and TARP deviations from uniform."""

    coverage_50: float
    coverage_90: float
    sbc: float
    tarp: float


def simulated(seed: int) -> tuple[Problem, torch.Tensor]:
    """A unimodal problem with a truth drawn from its prior, and that truth."""
    prior = gaussian_prior(8, seed=0)
    template = linear(prior, 4, 0.3, 0)
    truth = prior.sample(1, torch.Generator().manual_seed(10_000 + seed))[0]
    return Problem(prior, template.model, template.model.simulate(truth, seed), template.exact), truth.flatten()


def calibrate(sampler: Sampler, simulations: int, n: int) -> Calibration:
    """Run ``sampler`` on ``simulations`` truths with ``n`` samples each."""
    all_ranks, credibilities = [], []
    generator = torch.Generator().manual_seed(1)
    for seed in range(simulations):
        problem, truth = simulated(seed)
        samples = run(sampler, problem, n, seed).samples
        if samples is None:
            raise ArithmeticError(f"{sampler} diverged in simulation {seed}")
        all_ranks.append(ranks(samples, truth))
        reference = problem.prior.sample(1, generator).flatten()
        credibilities.append(tarp_credibility(samples, truth, reference))
    stacked = torch.stack(all_ranks)
    return Calibration(
        coverage(stacked, n, 0.5), coverage(stacked, n, 0.9), uniformity(stacked, n), tarp_error(torch.tensor(credibilities))
    )
