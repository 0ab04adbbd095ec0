"""The annealing schedule eta_0 >= eta_1 >= ... of DPnP."""

from __future__ import annotations

from operators import ForwardModel

ETA_MAX, NONLINEAR_ETA_MAX, BLIND_ETA_MAX = 10.0, 1.0, 0.45
LEAST_ETA_MIN, LARGEST_ETA_MIN, LARGEST_SPLIT_ETA_MIN = 0.05, 0.15, 0.25


def geometric(eta_max: float, eta_min: float, n: int) -> list[float]:
    """``n`` values from ``eta_max`` to ``eta_min`` with a constant ratio; for n = 1 just ``eta_min``."""
    if n == 1:
        return [eta_min]
    ratio = (eta_min / eta_max) ** (1 / (n - 1))
    return [eta_max * ratio**k for k in range(n)]


def default_eta_max(model: ForwardModel) -> float:
    """The first eta when none is given: 10, which forgets the start; 1 for a map that is not linear and for one bit; 0.45 for an unknown
    kernel, whose chains come down from 10 in another way (:class:`dpnp.samplers.opening.BlindOpening`).

    A signal blurred by a large eta looks like noise to a measurement of amplitudes or of one bit. The first PCS then finds images whose
    phases have nothing to do with the image, or that are many times too strong, and the chain has to unlearn them at the small eta,
    where it moves slowly. About the prior's mean, within twice the standard deviation of most images, the measurement still tells.
    """
    if model.hidden:
        return BLIND_ETA_MAX
    linear = model.map.linear_part() is not None and not model.noise.saturates
    return ETA_MAX if linear else NONLINEAR_ETA_MAX


def default_eta_min(model: ForwardModel, split: bool) -> float:
    """The last eta when none is given: where the blur that it adds to the measurement is half the noise level, within [0.05, 0.15].

    That is eta = std / (2 s_max), s_max the map's largest singular value (1 for other maps). A linear map's noise std² I becomes
    std² I + eta² A A^T. A smaller eta is less biased, but the chain then moves by less in an iteration and the prior network is least
    accurate at the smallest noise levels.

    With ``split`` eta is taken out of the noise instead, and may be as large as 0.25. Nothing is blurred then, unless the noise is too
    small for an eta of 0.05, or is mostly rounding, which has no Gaussian part, behind a smaller dither.
    """
    largest = LARGEST_SPLIT_ETA_MIN if split else LARGEST_ETA_MIN
    return min(max(0.5 * model.noise.scale / _gain(model), LEAST_ETA_MIN), largest)


def _gain(model: ForwardModel) -> float:
    linear = None if model.hidden else model.map.linear_part()
    return (linear and linear.largest_singular_value()) or 1.0
