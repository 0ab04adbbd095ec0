"""The methods that are compared, and how the baselines are tuned."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

import dpnp
from bench.posterior.families import Problem
from bench.posterior.metrics import sliced_w2
from dpnp.samplers import Sampler

CALLS = 160
DPNP = dpnp.DPnP(n_iterations=20, denoising_steps=8, eta_min=0.1, mala_steps=20)
METHODS: dict[str, list[Sampler]] = {
    "DPnP-DDIM": [DPNP],
    "DPnP-DDPM": [replace(DPNP, denoising="ddpm")],
    "DPnP-SMC": [replace(DPNP, resampling="smc")],
    "DPnP-SMC + correction": [replace(DPNP, resampling="smc", correction="importance")],
    "DPS": [dpnp.DPS(n_steps=CALLS, step_size=s) for s in (0.01, 0.03, 0.1, 0.3, 1.0)],
    "LGD-MC": [dpnp.LGDMC(n_steps=CALLS, step_size=s) for s in (0.1, 0.3, 1.0)],
}


@dataclass(frozen=True)
class Outcome:
    """Samples (n, d), or None when the chain diverged; seconds; denoiser calls per sample."""

    samples: Tensor | None
    seconds: float
    nfe: int


def run(sampler: Sampler, problem: Problem, n: int, seed: int) -> Outcome:
    """Draw ``n`` samples."""
    started = time.perf_counter()
    try:
        post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=n, seed=seed)
    except dpnp.DivergedError:
        return Outcome(None, time.perf_counter() - started, 0)
    return Outcome(post.samples.flatten(1), time.perf_counter() - started, post.nfe)


def tuned(candidates: list[Sampler], problems: list[Problem], n: int) -> Sampler:
    """The candidate of least total sliced W2 on problems that are not scored."""
    if len(candidates) == 1:
        return candidates[0]

    def cost(sampler: Sampler) -> float:
        total = 0.0
        for seed, problem in enumerate(problems):
            samples = run(sampler, problem, n, seed).samples
            exact = problem.exact.sample(n, torch.Generator().manual_seed(seed)).flatten(1)
            total += float("inf") if samples is None else sliced_w2(samples, exact)
        return total

    return min(candidates, key=cost)
