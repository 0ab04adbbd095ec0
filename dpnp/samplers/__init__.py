"""Samplers: DPnP and the baselines, all with the same configuration, kernel and state."""

from dpnp.samplers.base import Info, Kernel, Sampler, State
from dpnp.samplers.catalogue import build, names, sampler_class, schema, summary
from dpnp.samplers.dpnp import DPnP, DPnPKernel

__all__ = ["DPnP", "DPnPKernel", "Info", "Kernel", "Sampler", "State", "build", "names", "sampler_class", "schema", "summary"]
