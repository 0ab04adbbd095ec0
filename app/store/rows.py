"""Values that go into the store and come out of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import sqlalchemy as sa

from app.jobs import Job, JobError, JobStatus, Progress, Spec


@dataclass(frozen=True)
class NewJob:
    """A job to be queued; ``total`` is its number of iterations, ``owner`` the id of the API key that submits it."""

    id: str
    spec: Spec
    total: int = 0
    owner: str | None = None


@dataclass(frozen=True)
class Idempotency:
    """A client's key and the hash of what it sent under it."""

    key: str
    payload_hash: str


class Stopwatch:
    """Counts seconds from now on, after those ``before``."""

    def __init__(self, before: float = 0.0) -> None:
        self._began = monotonic() - before
        self._ended: float | None = None

    @property
    def seconds(self) -> float:
        """All of them."""
        return (monotonic() if self._ended is None else self._ended) - self._began

    def stop(self) -> None:
        """Count no further."""
        self._ended = monotonic()


@dataclass(frozen=True)
class Claim:
    """A job leased to a worker. Writes carry the fencing token, so that an old claim cannot overwrite its successor's."""

    job: Job
    token: int
    running: Stopwatch
    """How long the job has run, this attempt and those before; every write tells the store."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a job: ``status`` or ``progress``. ``id`` grows."""

    id: int
    type: str
    data: dict[str, Any]


@dataclass(frozen=True)
class KeyRow:
    """An API key, without its secret. ``id`` is the owner of its jobs."""

    id: str
    name: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class WorkerRow:
    """A worker: ``state`` is starting, ready or broken; totals count since it started; ``priors`` are in its memory."""

    id: str
    state: str
    detail: str = ""
    denoiser_calls: int = 0
    sampling_seconds: float = 0.0
    priors: tuple[str, ...] = ()

    def values(self) -> dict[str, Any]:
        """Everything but the id."""
        return {
            "state": self.state,
            "detail": self.detail,
            "denoiser_calls": self.denoiser_calls,
            "sampling_seconds": self.sampling_seconds,
            "priors": list(self.priors),
        }


def job_from_row(row: sa.Row[Any], queue_position: int | None) -> Job:
    """The wire model of a row of the jobs table."""
    return Job(
        id=row.id,
        status=JobStatus(row.status),
        spec=Spec.model_validate(row.spec),
        created_at=time_of(row.created_at),
        started_at=_time_of(row.started_at),
        finished_at=_time_of(row.finished_at),
        progress=Progress(step=row.step, total=row.total),
        queue_position=queue_position,
        attempt=row.attempt,
        error=None if row.error is None else JobError.model_validate(row.error),
    )


def event_data(job: Job) -> dict[str, Any]:
    """What an event says about its job."""
    return job.model_dump(mode="json", include={"id", "status", "progress", "queue_position", "attempt", "error"})


def time_of(seconds: float) -> datetime:
    """A time of the database, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def _time_of(seconds: float | None) -> datetime | None:
    return None if seconds is None else time_of(seconds)
