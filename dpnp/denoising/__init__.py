"""Diffusion denoising samplers (DDS): draws from the posterior of denoising, using the prior's denoiser alone."""

from dpnp.denoising.base import DenoisingSampler
from dpnp.denoising.ode import QuarterCircle
from dpnp.denoising.sde import AncestralSDE

__all__ = ["AncestralSDE", "DenoisingSampler", "QuarterCircle"]
