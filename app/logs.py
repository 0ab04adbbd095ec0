"""Log lines of one shape everywhere: time, level, where, the job when there is one, and the message; as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["text", "json"]


class TextFormatter(logging.Formatter):
    """One line for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(job_field)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        job = getattr(record, "job", None)
        record.job_field = f" job={job}" if job else ""
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One JSON object per line for machines: time, level, logger, message, and job and exception where there are."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if job := getattr(record, "job", None):
            line["job"] = job
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up_logging(level: str, form: Format) -> None:
    """Write the log to standard error: this service's lines from ``level`` on, other libraries' warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("app", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())
