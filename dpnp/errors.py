"""The errors of the sampler library. Every one says what was expected and what came."""

from operators.errors import MeasurementError, ShapeError

__all__ = [
    "DPnPError",
    "DivergedError",
    "MeasurementError",
    "NoiseRangeWarning",
    "PriorError",
    "ShapeError",
    "UnknownSamplerError",
    "UnsupportedError",
]


class DPnPError(Exception):
    """Base of the errors raised by ``dpnp`` itself."""


class PriorError(DPnPError):
    """A prior is unknown or cannot be loaded."""


class UnknownSamplerError(DPnPError):
    """No sampler of that name; the message lists the known ones."""


class DivergedError(DPnPError):
    """A chain produced NaN or infinity; the message names the step and the samples."""


class UnsupportedError(DPnPError):
    """The requested method needs a structure that this forward model does not declare."""


class NoiseRangeWarning(UserWarning):
    """A prior was asked for a noise level that its network was not trained on."""
