"""The one way in which the benchmarks tune the baselines' step size."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import isinf

RATIO, REACH = 10**0.25, 40


def best_step_size(cost: Callable[[float], float], start: float, patience: int = 1) -> float:
    """The step size of least ``cost`` among ``start`` times powers of 10^(1/4).

    The walk goes up, then down, each until ``patience`` steps in a row are no better; more than one is for a noisy cost.
    Never the edge of a grid: the walk ends at a minimum, or ten decades from ``start``. An infinite cost is a diverged chain,
    which a smaller step cures.
    """

    @cache
    def at(k: int) -> float:
        return cost(start * RATIO**k)

    best = 0
    for direction in (1, -1):
        k = best
        while abs(k) < REACH and (abs(k - best) < patience or (isinf(at(best)) and direction < 0)):
            k += direction
            best = k if at(k) < at(best) else best
    return start * RATIO**best
