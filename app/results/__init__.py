"""The files of a result: pictures, arrays and a JSON summary."""

from app.results.files import warm_up, write_result

__all__ = ["warm_up", "write_result"]
