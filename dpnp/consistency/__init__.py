"""Proximal consistency samplers (PCS): draws that agree with the measurement and stay near the current image."""

from dpnp.consistency.base import ConsistencySampler, Draw, Memory
from dpnp.consistency.entrywise import EntrywiseExact
from dpnp.consistency.exact import PerturbAndSolve, SpectralGaussian
from dpnp.consistency.hmc import HMC
from dpnp.consistency.mala import MALA
from dpnp.consistency.select import Consistency, consistency_sampler

__all__ = [
    "HMC",
    "MALA",
    "Consistency",
    "ConsistencySampler",
    "Draw",
    "EntrywiseExact",
    "Memory",
    "PerturbAndSolve",
    "SpectralGaussian",
    "consistency_sampler",
]
