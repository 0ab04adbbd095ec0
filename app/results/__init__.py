"""The files of a result: pictures, arrays and a JSON summary."""

from app.results.files import write_result

__all__ = ["write_result"]
