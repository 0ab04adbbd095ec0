"""What can be wrong with a .jpg file. Every message says what was expected and what came."""

from operators.errors import MeasurementError


class JPEGError(MeasurementError):
    """Base of the errors of reading a JPEG file."""


class NotJPEGError(JPEGError):
    """The file does not start like a JPEG file."""


class TruncatedJPEGError(JPEGError):
    """The file ends, or its scans end, before every coefficient is known."""


class CorruptJPEGError(JPEGError):
    """The file breaks the rules of its format."""


class UnsupportedJPEGError(JPEGError):
    """A JPEG file of a kind that is not read: arithmetic-coded, 12-bit, lossless, hierarchical, or of other colours than grey and YCbCr."""


class OversizedJPEGError(JPEGError):
    """The image has more pixels than the reader was told to accept."""
