"""The one way in which the benchmarks tune the baselines' step size."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import isinf

RATIO, REACH = 10**0.25, 40


def best_step_size(cost: Callable[[float], float], start: float) -> float:
    """The step size of least ``cost`` among ``start`` times powers of 10^(1/4), walking until neither neighbour is better.

    Never the edge of a grid: the walk ends at a local minimum, or ten decades from ``start``. An infinite cost is a diverged chain,
    which a smaller step cures.
    """

    @cache
    def at(k: int) -> float:
        return cost(start * RATIO**k)

    k = 0
    while k < REACH and at(k + 1) < at(k):
        k += 1
    while k > -REACH and (at(k - 1) < at(k) or isinf(at(k))):
        k -= 1
    return start * RATIO**k
