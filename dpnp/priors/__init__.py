"""Priors: one contract, ``denoise(x, sigma)``."""

from dpnp.priors.base import ImageShape, Prior
from dpnp.priors.batched import BatchedPrior
from dpnp.priors.edm import EDMDenoiser, EDMPrior
from dpnp.priors.gaussian import Gaussian, GaussianMixture
from dpnp.priors.linear import LinearDenoiser
from dpnp.priors.shipped import PriorInfo, list_priors, load_prior, prior_info

__all__ = [
    "BatchedPrior",
    "EDMDenoiser",
    "EDMPrior",
    "Gaussian",
    "GaussianMixture",
    "ImageShape",
    "LinearDenoiser",
    "Prior",
    "PriorInfo",
    "list_priors",
    "load_prior",
    "prior_info",
]
