"""The errors of the forward models. Every one says what was expected and what came."""


class OperatorError(Exception):
    """Base of the errors raised by ``operators``."""


class ShapeError(OperatorError):
    """An image or a measurement does not have the forward model's shape; the message holds both shapes."""


class MeasurementError(OperatorError):
    """A measurement holds values that the forward model cannot have produced, such as NaN."""


class FileKindError(MeasurementError):
    """A file is not of a kind that the forward model takes; the message says which is."""


class StoredMismatchError(OperatorError):
    """A measurement's file and the parameters give different arrays, such as masks; ``parameter`` is the one that was given."""

    def __init__(self, message: str, parameter: str) -> None:
        super().__init__(message)
        self.parameter = parameter


class UnknownOperatorError(OperatorError):
    """No forward model of that name; the message lists the known ones."""


class PhysicsError(OperatorError):
    """A physics object of another library is not what a forward model needs, such as one that is not linear."""
