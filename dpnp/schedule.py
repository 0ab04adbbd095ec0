"""The annealing schedule eta_0 >= eta_1 >= ... of DPnP."""

from __future__ import annotations

from operators import ForwardModel
from operators.maps import LinearMap

ETA_MIN_RANGE = (0.05, 0.3)


def geometric(eta_max: float, eta_min: float, n: int) -> list[float]:
    """``n`` values from ``eta_max`` to ``eta_min`` with a constant ratio; for n = 1 just ``eta_min``."""
    if n == 1:
        return [eta_min]
    ratio = (eta_min / eta_max) ** (1 / (n - 1))
    return [eta_max * ratio**k for k in range(n)]


def default_eta_min(model: ForwardModel) -> float:
    """The last eta when none is given: where the blur that it adds to the measurement is half the noise level, within [0.05, 0.3].

    In pi_eta a linear map's noise std² I becomes std² I + eta² A A^T, so eta = std / (2 s_max), s_max the largest singular value (1 for
    other maps). A smaller eta is less biased, but the chain then moves by less in an iteration and the prior network is least accurate
    at the smallest noise levels.
    """
    low, high = ETA_MIN_RANGE
    return min(max(0.5 * model.noise.scale / _gain(model), low), high)


def _gain(model: ForwardModel) -> float:
    svd = model.map.svd() if isinstance(model.map, LinearMap) else None
    return 1.0 if svd is None else svd.singular_values.value.max().item()
