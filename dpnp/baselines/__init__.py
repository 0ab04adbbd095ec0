"""Baselines in DPnP's interface: what users compare with."""

from dpnp.baselines.dps import DPS
from dpnp.baselines.lgdmc import LGDMC

__all__ = ["DPS", "LGDMC"]
