"""The exception tree.

* ClientError
  - InvalidMeasurementError     what was given cannot be uploaded (also a ValueError)
  x NoAnswerError               the service did not answer, after all retries
    - ConnectionFailedError
    - RequestTimeoutError       (also a TimeoutError)
  - ProtocolError               the answer is not what version 1 of the service sends
  x StatusError                 the service answered with an error: title, detail, errors
    - BadRequestError           400 and every other 4xx
    - AuthenticationError       401, 403
    - NotFoundError             404, 410
    - ConflictError             409
    - TooLargeError             413
    - UnsupportedMediaError     415
    - InvalidRequestError       422
    - TooManyRequestsError      429
    - ServerError               5xx
      + UnavailableError        503
      + StorageFullError        507
  x JobError                    a job did not come to a result: job
    - JobFailedError
    - JobCancelledError
    - JobNotFinishedError
    - WaitTimeoutError          (also a TimeoutError); the job goes on
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpnp_client.models import JobInfo

__all__ = [
    "AuthenticationError",
    "BadRequestError",
    "ClientError",
    "ConflictError",
    "ConnectionFailedError",
    "InvalidMeasurementError",
    "InvalidRequestError",
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "JobNotFinishedError",
    "NoAnswerError",
    "NotFoundError",
    "ProtocolError",
    "RequestTimeoutError",
    "ServerError",
    "StatusError",
    "StorageFullError",
    "TooLargeError",
    "TooManyRequestsError",
    "UnavailableError",
    "UnsupportedMediaError",
    "WaitTimeoutError",
    "error_class",
]


class ClientError(Exception):
    """Base of all errors that this package raises."""


class InvalidMeasurementError(ClientError, ValueError):
    """What was given as a measurement or an image cannot be uploaded."""


class NoAnswerError(ClientError):
    """The service did not answer, after all retries."""


class ConnectionFailedError(NoAnswerError):
    """The service cannot be reached, or the connection broke."""


class RequestTimeoutError(NoAnswerError, TimeoutError):
    """The service did not answer in time."""


class ProtocolError(ClientError):
    """The answer is not what version 1 of the service sends: is this the right address?"""


class StatusError(ClientError):
    """The service answered with an error (RFC 9457).

    ``status``: the HTTP status; ``title`` and ``detail``: what went wrong; ``errors``: one entry per bad field, with its path;
    ``type``: the kind of problem, a URI.
    """

    def __init__(
        self, *, status: int, title: str, detail: str = "", errors: tuple[dict[str, Any], ...] = (), type: str = "about:blank"
    ) -> None:
        self.status, self.title, self.detail, self.errors, self.type = status, title, detail, errors, type
        super().__init__(f"{status} {title}: {detail}" if detail else f"{status} {title}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.status, self.title, self.detail, self.errors, self.type)


def _rebuild(cls: type[StatusError], status: int, title: str, detail: str, errors: tuple[dict[str, Any], ...], kind: str) -> StatusError:
    return cls(status=status, title=title, detail=detail, errors=errors, type=kind)


class BadRequestError(StatusError):
    """The request is wrong (400 and every 4xx without a class of its own)."""


class AuthenticationError(StatusError):
    """No API key, or not one that may do this (401, 403)."""


class NotFoundError(StatusError):
    """There is no such job or file (404, 410)."""


class ConflictError(StatusError):
    """The request does not fit the state of things, or its idempotency key is in use (409)."""


class TooLargeError(StatusError):
    """The upload is larger than the service takes (413)."""


class UnsupportedMediaError(StatusError):
    """The upload is not a measurement file (415)."""


class InvalidRequestError(StatusError):
    """The spec is wrong, or the measurement does not fit operator and prior (422)."""


class TooManyRequestsError(StatusError):
    """The queue is full, still so after all retries (429)."""


class ServerError(StatusError):
    """The service failed (5xx)."""


class UnavailableError(ServerError):
    """The service cannot take requests now (503)."""


class StorageFullError(ServerError):
    """The service's disk is full (507)."""


class JobError(ClientError):
    """A job did not come to a result; ``job`` is what is known of it."""

    def __init__(self, message: str, job: JobInfo) -> None:
        super().__init__(message)
        self.job = job

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.job)


class JobFailedError(JobError):
    """The job failed; the message is the reason."""


class JobCancelledError(JobError):
    """The job was cancelled."""


class JobNotFinishedError(JobError):
    """The job has no result yet."""


class WaitTimeoutError(JobError, TimeoutError):
    """The job did not finish in the time that ``wait`` was given. It goes on: call ``wait`` again, or ``cancel``."""


_BY_STATUS: dict[int, type[StatusError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    413: TooLargeError,
    415: UnsupportedMediaError,
    422: InvalidRequestError,
    429: TooManyRequestsError,
    503: UnavailableError,
    507: StorageFullError,
}


def error_class(status: int) -> type[StatusError]:
    """The class for an HTTP status."""
    return _BY_STATUS.get(status, ServerError if status >= 500 else BadRequestError)
