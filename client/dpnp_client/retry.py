"""When to try again, and after how long."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

_RETRIED = frozenset({408, 429})


@dataclass(frozen=True)
class RetryPolicy:
    """``retries`` further attempts, after delays that are random below ``first_delay`` * 2^n, at most ``max_delay`` (seconds).

    A ``Retry-After`` of the service is a lower bound; one above ``max_retry_after`` ends the attempts at once.
    """

    retries: int = 4
    first_delay: float = 0.5
    max_delay: float = 8.0
    max_retry_after: float = 60.0

    def __post_init__(self) -> None:
        if self.retries < 0 or self.first_delay < 0 or self.max_delay < 0 or self.max_retry_after < 0:
            raise ValueError(f"expected numbers that are not negative, got {self}")

    def backoff(self, attempt: int) -> float:
        """A random delay after failed attempt number ``attempt`` (0 is the first)."""
        return random.uniform(0, min(self.max_delay, self.first_delay * 2.0**attempt))

    def delay_after_response(self, attempt: int, response: httpx.Response) -> float | None:
        """Seconds until the next attempt, or None when this response is final."""
        wanted = retry_after(response)
        if attempt >= self.retries or not _is_retried(response.status_code, wanted):
            return None
        if wanted is not None and wanted > self.max_retry_after:
            return None
        return (wanted or 0.0) + self.backoff(attempt)

    def delay_after_error(self, attempt: int) -> float | None:
        """Seconds until the next attempt after one without an answer, or None after the last."""
        return None if attempt >= self.retries else self.backoff(attempt)


def _is_retried(status: int, wanted: float | None) -> bool:
    # 409 with Retry-After: the service still works on the first copy of this very request.
    return status in _RETRIED or status >= 500 or (status == 409 and wanted is not None)


def retry_after(response: httpx.Response) -> float | None:
    """The ``Retry-After`` header in seconds (RFC 9110: a number, or a date); None when absent or unreadable."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (date - datetime.now(UTC)).total_seconds()) if date.tzinfo else None


class Deadline:
    """A moment in the monotonic future, or never."""

    def __init__(self, seconds: float | None) -> None:
        if seconds is not None and not seconds >= 0:
            raise ValueError(f"expected a timeout of at least 0 seconds, or None, got {seconds}")
        self.seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, never negative; infinity without a deadline."""
        return float("inf") if self._end is None else max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining <= 0
