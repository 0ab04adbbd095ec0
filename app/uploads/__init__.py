"""Files that users send: recognised by their content, bounded before anything is allocated, never unpickled."""

from app.uploads.decode import Decoded, decode, decode_measurement, expected_formats
from app.uploads.errors import (
    NotAMeasurementError,
    TooDemandingError,
    TooManyPixelsError,
    UnreadableFileError,
    UploadError,
    WrongShapeError,
)
from app.uploads.fit import fit_image, fit_measurement

__all__ = [
    "Decoded",
    "NotAMeasurementError",
    "TooDemandingError",
    "TooManyPixelsError",
    "UnreadableFileError",
    "UploadError",
    "WrongShapeError",
    "decode",
    "decode_measurement",
    "expected_formats",
    "fit_image",
    "fit_measurement",
]
