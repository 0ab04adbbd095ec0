"""Every error of the API as RFC 9457 ``application/problem+json``."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

import operators
from app.files import is_disk_full
from app.problem import FieldError, SpecError
from app.store import (
    UNREACHABLE,
    IdempotencyInFlightError,
    IdempotencyMismatchError,
    JobNotFinishedError,
    JobNotFoundError,
    QueueFullError,
    TooManyJobsError,
)
from app.uploads import NotAMeasurementError, TooDemandingError, TooManyPixelsError, UnreadableFileError, WrongShapeError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:dpnp:problem:"
RETRY_SECONDS, SOON_SECONDS = "5", "1"


class BadField(BaseModel):
    """A field of the request that is wrong."""

    path: str
    message: str


class Problem(BaseModel):
    """The body of every error."""

    type: str = Field(description=f"what kind of error, as {PREFIX}NAME")
    title: str
    status: int
    detail: str
    errors: list[BadField] | None = Field(None, description="the bad fields, where there are any")


class ProblemError(Exception):
    """An error that is answered as a problem."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        bad = [BadField(path=e.path, message=e.message) for e in errors] or None
        self.problem = Problem(type=PREFIX + kind, title=title, status=status, detail=detail, errors=bad)
        self.headers = headers

    def response(self) -> JSONResponse:
        """The answer."""
        body = self.problem.model_dump(exclude_none=True)
        return JSONResponse(body, self.problem.status, self.headers, MEDIA_TYPE)


def _bad_fields(errors: Sequence[FieldError]) -> ProblemError:
    detail = "; ".join(f"{e.path}: {e.message}" for e in errors)
    return ProblemError(422, "bad-field", "A field of the request is wrong", detail, errors=errors)


# Our exceptions -> status, kind, title
KINDS: dict[type[Exception], tuple[int, str, str]] = {
    NotAMeasurementError: (415, "not-a-measurement", "Not a measurement file"),
    UnreadableFileError: (415, "unreadable-file", "The file cannot be read"),
    TooManyPixelsError: (413, "too-many-pixels", "Too large"),
    TooDemandingError: (413, "too-demanding", "Too large"),
    WrongShapeError: (422, "wrong-shape", "Wrong shape"),
    operators.ShapeError: (422, "wrong-shape", "Wrong shape"),
    operators.FileKindError: (415, "not-a-measurement", "Not a measurement file"),
    operators.MeasurementError: (422, "bad-measurement", "The measurement holds impossible values"),
    IdempotencyMismatchError: (422, "idempotency-mismatch", "Idempotency key used for another payload"),
    IdempotencyInFlightError: (409, "idempotency-in-flight", "Still being handled"),
    JobNotFoundError: (404, "no-such-job", "No such job"),
    JobNotFinishedError: (409, "job-not-finished", "The job is not finished"),
    QueueFullError: (429, "queue-full", "The queue is full"),
    TooManyJobsError: (429, "too-many-jobs", "Too many unfinished jobs"),
}


def as_problem(error: Exception) -> ProblemError:
    """The problem that an exception amounts to; a 500 for one that nobody foresaw."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, SpecError):
        return _bad_fields(error.errors)
    found = next((entry for kind, entry in KINDS.items() if isinstance(error, kind)), None)
    if found is not None:
        status, kind, title = found
        return ProblemError(status, kind, title, str(error), headers=_retry_after(error, status))
    if is_disk_full(error):
        return ProblemError(507, "disk-full", "The disk is full", "the service has no room left for this job; try again later")
    if isinstance(error, UNREACHABLE):
        log.error("the store cannot be reached: %s", error)
        busy = "the job store cannot be reached at the moment"
        return ProblemError(503, "store-unavailable", "Try again", busy, headers={"Retry-After": RETRY_SECONDS})
    log.error("unexpected error", exc_info=error)
    return ProblemError(500, "internal-error", "Internal error", f"{type(error).__name__}; the service's log has the details")


def _retry_after(error: Exception, status: int) -> dict[str, str] | None:
    """When the same request may do better."""
    if isinstance(error, IdempotencyInFlightError):
        return {"Retry-After": SOON_SECONDS}
    return {"Retry-After": RETRY_SECONDS} if status == 429 else None


def _validation(error: RequestValidationError) -> ProblemError:
    fields = [FieldError(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
    return _bad_fields(fields)


def _http(request: Request, error: HTTPException) -> ProblemError:
    title = HTTPStatus(error.status_code).phrase
    kind = title.lower().replace(" ", "-")
    where = f"{request.method} {request.url.path}"
    detail = f"there is no {where}" if error.status_code in (404, 405) else str(error.detail)
    headers = {"Allow": ", ".join(_allowed(request))} if error.status_code == 405 else error.headers
    return ProblemError(error.status_code, kind, title, detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods of the address: those of all its routes, where Starlette names those of the first."""
    paths = request.app.openapi()["paths"].items()
    matching = (methods for path, methods in paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path))
    return sorted({method.upper() for methods in matching for method in methods}) or ["GET"]


def install(app: FastAPI) -> None:
    """Answer every exception of ``app`` as a problem."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, RequestValidationError):
            return _validation(error).response()
        if isinstance(error, HTTPException):
            return _http(request, error).response()
        return as_problem(error).response()

    known = [RequestValidationError, HTTPException, ProblemError, SpecError, OSError, *UNREACHABLE, *KINDS, Exception]
    for kind in known:
        app.add_exception_handler(kind, handle)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the problems that a call can answer."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
