"""Forward models of imaging inverse problems: maps joined with noise models.

Images are float, channels first, in [-1, 1]; every noise level is a standard deviation in that scale.
"""

from operators.catalogue import build, model_class, names, schema, summary
from operators.errors import (
    FileKindError,
    MeasurementError,
    OperatorError,
    PhysicsError,
    ShapeError,
    StoredMismatchError,
    UnknownOperatorError,
)
from operators.model import ForwardModel
from operators.models.blind_deblur_jpeg import BlindDeblurJPEG
from operators.models.composed import Composed
from operators.models.deepinv import DeepInv
from operators.models.linear import Linear
from operators.models.phase_retrieval import PhaseRetrieval
from operators.models.quantization import Quantization
from operators.models.super_resolution import SuperResolution
from operators.stored import load_measurement, save_measurement, with_stored
from operators.symmetry import align

__all__ = [
    "BlindDeblurJPEG",
    "Composed",
    "DeepInv",
    "FileKindError",
    "ForwardModel",
    "Linear",
    "MeasurementError",
    "OperatorError",
    "PhaseRetrieval",
    "PhysicsError",
    "Quantization",
    "ShapeError",
    "StoredMismatchError",
    "SuperResolution",
    "UnknownOperatorError",
    "align",
    "build",
    "load_measurement",
    "model_class",
    "names",
    "save_measurement",
    "schema",
    "summary",
    "with_stored",
]
