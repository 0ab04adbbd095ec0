"""Priors: one contract, ``denoise(x, sigma)``."""

from dpnp.priors.base import ImageShape, Prior
from dpnp.priors.batched import BatchedPrior
from dpnp.priors.cost import Cost, call_cost, largest_batch
from dpnp.priors.diffusion import DiffusionPrior
from dpnp.priors.edm import EDMDenoiser, EDMPrior
from dpnp.priors.gaussian import Gaussian, GaussianMixture
from dpnp.priors.info import PriorInfo
from dpnp.priors.linear import LinearDenoiser
from dpnp.priors.load import candidates, find_prior, list_priors, load_prior, prior_info, weight_files
from dpnp.priors.network import NetworkPrior
from dpnp.priors.tiled import Tiled

__all__ = [
    "BatchedPrior",
    "Cost",
    "DiffusionPrior",
    "EDMDenoiser",
    "EDMPrior",
    "Gaussian",
    "GaussianMixture",
    "ImageShape",
    "LinearDenoiser",
    "NetworkPrior",
    "Prior",
    "PriorInfo",
    "Tiled",
    "call_cost",
    "candidates",
    "find_prior",
    "largest_batch",
    "list_priors",
    "load_prior",
    "prior_info",
    "weight_files",
]
