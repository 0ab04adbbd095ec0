"""The files of a result: pictures, arrays and a JSON summary."""

from app.results.files import FILES, sample_name, write_result

__all__ = ["FILES", "sample_name", "write_result"]
