"""The methods that are compared, at every budget of denoiser calls."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean

import torch
from torch import Tensor

import dpnp
from bench._tuning import best_step_size
from bench.posterior.families import Problem
from bench.posterior.metrics import sliced_w2
from dpnp.samplers import Sampler

ITERATIONS = {40: 10, 80: 16, 160: 20, 320: 40}
"""Denoiser calls, and the iterations that DPnP spends them on."""

EXACT = "exact sampling"


def headline(budgets: list[int]) -> int:
    """The budget that tables and calibration show: 160 denoiser calls, or the largest."""
    return 160 if 160 in budgets else max(budgets)


@dataclass(frozen=True)
class Outcome:
    """Samples (n, d), or None when the chain diverged; CPU seconds of the whole set."""

    samples: Tensor | None
    seconds: float


Draw = Callable[[Problem, int, int], Outcome]
"""(problem, n, seed) -> n samples."""


def exactly(problem: Problem, n: int, seed: int) -> Outcome:
    """Independent draws of the exact posterior."""
    started = time.process_time()
    samples = problem.exact.sample(n, torch.Generator().manual_seed(5000 + seed)).flatten(1)
    return Outcome(samples, time.process_time() - started)


def drawing(sampler: Sampler) -> Draw:
    """Draws of ``sampler``."""

    def draw(problem: Problem, n: int, seed: int) -> Outcome:
        started = time.process_time()
        try:
            post = dpnp.sample(problem.prior, problem.model, problem.y, sampler=sampler, n_samples=n, seed=seed)
        except dpnp.DivergedError:
            return Outcome(None, time.process_time() - started)
        return Outcome(post.samples.flatten(1), time.process_time() - started)

    return draw


@dataclass(frozen=True)
class Method:
    """``sampler(calls, step_size)``; DPnP has no step size to tune."""

    sampler: Callable[[int, float], Sampler]
    tunable: bool = False

    def step_size(self, calls: int, problems: list[Problem], n: int, start: float) -> float:
        """The step size of least sliced W2, as a geometric mean over ``problems``, which are not scored."""
        if not self.tunable:
            return start
        exact = [problem.exact.sample(n, torch.Generator().manual_seed(seed)).flatten(1) for seed, problem in enumerate(problems)]

        def cost(step_size: float) -> float:
            draw = drawing(self.sampler(calls, step_size))
            outcomes = [draw(problem, n, seed).samples for seed, problem in enumerate(problems)]
            return fmean(math.inf if s is None else math.log(sliced_w2(s, e)) for s, e in zip(outcomes, exact, strict=True))

        return best_step_size(cost, start)


def _dpnp(calls: int) -> dpnp.DPnP:
    """From eta 10 for every problem: these priors have modes far apart, and the library's own 1 is for images about their mean."""
    n = ITERATIONS[calls]
    return dpnp.DPnP(n_iterations=n, denoising_steps=calls // n, eta_max=10.0, eta_min=0.1, mala_steps=20)


METHODS: dict[str, Method] = {
    "DPnP-DDIM": Method(lambda calls, _: _dpnp(calls)),
    "DPnP-DDPM": Method(lambda calls, _: replace(_dpnp(calls), denoising="ddpm")),
    "DPnP-SMC": Method(lambda calls, _: replace(_dpnp(calls), resampling="smc")),
    "DPnP-SMC + correction": Method(lambda calls, _: replace(_dpnp(calls), resampling="smc", correction="importance")),
    "DPS": Method(lambda calls, step: dpnp.DPS(n_steps=calls, step_size=step), tunable=True),
    "LGD-MC": Method(lambda calls, step: dpnp.LGDMC(n_steps=calls, step_size=step), tunable=True),
}
