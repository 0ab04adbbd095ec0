"""Where chains begin whose first eta does not make them forget it."""

from __future__ import annotations

from torch import Tensor

from dpnp.priors.base import Prior

FORGETTING_ETA = 10.0
"""The first iteration at this eta is a draw from the prior, whatever came before."""

SIGMA = 20.0
"""Noise in which nothing of an image is left; every network prior was trained at this level."""


def begins_at_mean(eta: float) -> bool:
    """Whether a chain with this first eta needs a start that it may remember."""
    return eta < FORGETTING_ETA


def prior_mean(prior: Prior, noise: Tensor) -> Tensor:
    """The prior's mean, the denoiser's answer to pure ``noise`` (B, C, H, W) of unit variance; one denoiser call."""
    return prior.denoise(SIGMA * noise, noise.new_full((len(noise),), SIGMA))
