"""The annealing schedule eta_0 >= eta_1 >= ... of DPnP."""

from __future__ import annotations

from operators import ForwardModel

ETA_MIN_RANGE = (0.05, 0.3)


def geometric(eta_max: float, eta_min: float, n: int) -> list[float]:
    """``n`` values from ``eta_max`` to ``eta_min`` with a constant ratio; for n = 1 just ``eta_min``."""
    if n == 1:
        return [eta_min]
    ratio = (eta_min / eta_max) ** (1 / (n - 1))
    return [eta_max * ratio**k for k in range(n)]


def default_eta_min(model: ForwardModel) -> float:
    """The last eta when none is given: the noise level, within [0.05, 0.3].

    The stationary law pi_eta has the likelihood blurred by eta, so a smaller eta is less biased; but the chain then moves by eta an
    iteration, and the prior network is least accurate at the smallest noise levels.
    """
    low, high = ETA_MIN_RANGE
    return min(max(model.noise.scale, low), high)
