"""The annealing schedule eta_0 >= eta_1 >= ... of DPnP."""

from __future__ import annotations

from operators import ForwardModel

ETA_MAX, SATURATED_ETA_MAX = 10.0, 1.0
ETA_MIN_RANGE = (0.05, 0.3)


def geometric(eta_max: float, eta_min: float, n: int) -> list[float]:
    """``n`` values from ``eta_max`` to ``eta_min`` with a constant ratio; for n = 1 just ``eta_min``."""
    if n == 1:
        return [eta_min]
    ratio = (eta_min / eta_max) ** (1 / (n - 1))
    return [eta_max * ratio**k for k in range(n)]


def default_eta_max(model: ForwardModel) -> float:
    """The first eta when none is given: 10, so that the start is forgotten; 1 where the noise model saturates.

    One bit of a signal blurred by a large eta looks like pure noise. Bits that are as sure as those of a quiet signal then ask for
    an image many times too strong, which the chain has to unlearn at the small eta, where it moves slowly.
    """
    return SATURATED_ETA_MAX if model.noise.saturates else ETA_MAX


def default_eta_min(model: ForwardModel) -> float:
    """The last eta when none is given: where the blur that it adds to the measurement is half the noise level, within [0.05, 0.3].

    In pi_eta a linear map's noise std² I becomes std² I + eta² A A^T, so eta = std / (2 s_max), s_max the largest singular value (1 for
    other maps). A smaller eta is less biased, but the chain then moves by less in an iteration and the prior network is least accurate
    at the smallest noise levels.
    """
    low, high = ETA_MIN_RANGE
    return min(max(0.5 * model.noise.scale / _gain(model), low), high)


def _gain(model: ForwardModel) -> float:
    linear = None if model.hidden else model.map.linear_part()
    return (linear and linear.largest_singular_value()) or 1.0
