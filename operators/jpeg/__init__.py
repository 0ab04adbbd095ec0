"""JPEG files as measurements: their own quantised coefficients instead of a decoded picture."""

from operators.jpeg.cells import CoefficientScale, as_tensor, transform_for, transform_of
from operators.jpeg.coefficients import Component, JPEGCoefficients
from operators.jpeg.encode import encode
from operators.jpeg.errors import (
    CorruptJPEGError,
    JPEGError,
    NotJPEGError,
    OversizedJPEGError,
    TruncatedJPEGError,
    UnsupportedJPEGError,
)
from operators.jpeg.quality import standard_tables
from operators.jpeg.reader import read_jpeg
from operators.jpeg.subsampling import FACTORS, Subsampling, subsampling_of
from operators.jpeg.writer import write_jpeg

__all__ = [
    "FACTORS",
    "CoefficientScale",
    "Component",
    "CorruptJPEGError",
    "JPEGCoefficients",
    "JPEGError",
    "NotJPEGError",
    "OversizedJPEGError",
    "Subsampling",
    "TruncatedJPEGError",
    "UnsupportedJPEGError",
    "as_tensor",
    "encode",
    "read_jpeg",
    "standard_tables",
    "subsampling_of",
    "transform_for",
    "transform_of",
    "write_jpeg",
]
