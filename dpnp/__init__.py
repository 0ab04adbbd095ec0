"""DPnP: posterior samples for imaging inverse problems with diffusion priors.

Images are float, channels first, in [-1, 1]; every noise level is a standard deviation in that scale.
"""

from dpnp import priors, samplers
from dpnp.baselines import DPS, LGDMC
from dpnp.errors import (
    DivergedError,
    DPnPError,
    MeasurementError,
    NoiseRangeWarning,
    PriorError,
    ShapeError,
    UnknownSamplerError,
    UnsupportedError,
)
from dpnp.posterior import Posterior
from dpnp.priors import Prior, PriorInfo, list_priors, load_prior
from dpnp.samplers import DPnP
from dpnp.sampling import Run, sample, start

__version__ = "0.1.0"

__all__ = [
    "DPS",
    "LGDMC",
    "DPnP",
    "DPnPError",
    "DivergedError",
    "MeasurementError",
    "NoiseRangeWarning",
    "Posterior",
    "Prior",
    "PriorError",
    "PriorInfo",
    "Run",
    "ShapeError",
    "UnknownSamplerError",
    "UnsupportedError",
    "list_priors",
    "load_prior",
    "priors",
    "sample",
    "samplers",
    "start",
]
