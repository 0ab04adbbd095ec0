"""Log lines of one shape everywhere: time, level, where, and the job when there is one."""

from __future__ import annotations

import logging
import sys


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        job = getattr(record, "job", None)
        record.job_field = f" job={job}" if job else ""
        return super().format(record)


def set_up_logging(level: str) -> None:
    """Write the log to standard error: this service's lines from ``level`` on, other libraries' warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s%(job_field)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("app", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())
