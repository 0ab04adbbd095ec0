"""Forward models of imaging inverse problems: maps joined with noise models.

Images are float, channels first, in [-1, 1]; every noise level is a standard deviation in that scale.
"""

from operators.catalogue import build, model_class, names, schema, summary
from operators.errors import MeasurementError, OperatorError, ShapeError, UnknownOperatorError
from operators.model import ForwardModel
from operators.models.linear import Linear
from operators.models.quantization import Quantization
from operators.models.super_resolution import SuperResolution

__all__ = [
    "ForwardModel",
    "Linear",
    "MeasurementError",
    "OperatorError",
    "Quantization",
    "ShapeError",
    "SuperResolution",
    "UnknownOperatorError",
    "build",
    "model_class",
    "names",
    "schema",
    "summary",
]
