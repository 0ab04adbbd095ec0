"""What can be wrong with a file. Every message says what was expected and what came."""


class UploadError(ValueError):
    """Base of the errors about uploaded files."""


class NotAMeasurementError(UploadError):
    """The content is not of a kind that can be a measurement."""


class UnreadableFileError(UploadError):
    """The content starts like a known kind but is broken, truncated or of a variant that is not taken."""


class TooManyPixelsError(UploadError):
    """The decoded array would be larger than allowed."""


class WrongShapeError(UploadError):
    """The array does not have the wanted shape; the message holds both."""


class TooDemandingError(UploadError):
    """Decoding the content would take more time or memory than allowed."""
