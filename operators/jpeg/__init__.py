"""JPEG files as measurements: their own quantised coefficients instead of a decoded picture."""

from operators.jpeg.coefficients import Component, JPEGCoefficients
from operators.jpeg.errors import (
    CorruptJPEGError,
    JPEGError,
    NotJPEGError,
    OversizedJPEGError,
    TruncatedJPEGError,
    UnsupportedJPEGError,
)
from operators.jpeg.reader import read_jpeg

__all__ = [
    "Component",
    "CorruptJPEGError",
    "JPEGCoefficients",
    "JPEGError",
    "NotJPEGError",
    "OversizedJPEGError",
    "TruncatedJPEGError",
    "UnsupportedJPEGError",
    "read_jpeg",
]
