"""The error of the demonstration."""


class DemoError(RuntimeError):
    """The demonstration could not be run to its end; the message says where it stopped."""
