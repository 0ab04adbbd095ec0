"""How far a method is from the exact posteriors of a family, as medians over its problems."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from bench.posterior.families import Problem
from bench.posterior.methods import Draw
from bench.posterior.metrics import covariance_error, mean_error, sliced_w2

FLOOR_PAIRS = 4


@dataclass(frozen=True)
class Yardstick:
    """A problem, an exact sample set (n, d) of it, and its floor: the sliced W2 between two exact sets of that size."""

    problem: Problem
    exact: Tensor
    floor: float

    @classmethod
    def of(cls, problem: Problem, n: int, seed: int) -> Yardstick:
        """Exact sets by ``seed``; the floor is the mean over four pairs."""
        sets = [problem.exact.sample(n, torch.Generator().manual_seed(70 + k)).flatten(1) for k in range(2 * FLOOR_PAIRS)]
        floor = sum(sliced_w2(a, b) for a, b in zip(sets[::2], sets[1::2], strict=True)) / FLOOR_PAIRS
        return cls(problem, problem.exact.sample(n, torch.Generator().manual_seed(seed)).flatten(1), floor)


@dataclass(frozen=True)
class Score:
    """Medians over a family's problems, with the least and greatest sliced W2; infinite where a chain diverged."""

    family: str
    method: str
    calls: int
    step_size: float | None
    sw2_over_floor: float
    least: float
    greatest: float
    mean_error: float
    covariance_error: float
    seconds: float

    @classmethod
    def of(cls, draw: Draw, yardsticks: list[Yardstick], family: str, method: str, calls: int, step_size: float | None) -> Score:
        """Run ``draw`` on every problem."""
        ratios, means, covariances, seconds = zip(*(_measure(draw, y, seed) for seed, y in enumerate(yardsticks)), strict=True)
        spread = (median(ratios), min(ratios), max(ratios))
        return cls(family, method, calls, step_size, *spread, median(means), median(covariances), median(seconds))


def _measure(draw: Draw, yardstick: Yardstick, seed: int) -> tuple[float, float, float, float]:
    exact = yardstick.exact
    outcome = draw(yardstick.problem, len(exact), seed)
    if outcome.samples is None:
        return (float("inf"),) * 3 + (outcome.seconds,)
    ratio = sliced_w2(outcome.samples, exact) / yardstick.floor
    return ratio, mean_error(outcome.samples, exact), covariance_error(outcome.samples, exact), outcome.seconds
