"""The job store: the SQL table is the queue and the only truth."""

from app.store.errors import (
    UNREACHABLE,
    DatabaseTooNewError,
    IdempotencyInFlightError,
    IdempotencyMismatchError,
    JobNotFinishedError,
    JobNotFoundError,
    KeyExistsError,
    KeyNotFoundError,
    QueueFullError,
    StoreError,
    StoreUrlError,
    TooManyJobsError,
    is_locked,
)
from app.store.rows import Claim, Event, Idempotency, KeyRow, NewJob, WorkerRow
from app.store.store import Store, new_id

__all__ = [
    "UNREACHABLE",
    "Claim",
    "DatabaseTooNewError",
    "Event",
    "Idempotency",
    "IdempotencyInFlightError",
    "IdempotencyMismatchError",
    "JobNotFinishedError",
    "JobNotFoundError",
    "KeyExistsError",
    "KeyNotFoundError",
    "KeyRow",
    "NewJob",
    "QueueFullError",
    "Store",
    "StoreError",
    "StoreUrlError",
    "TooManyJobsError",
    "WorkerRow",
    "is_locked",
    "new_id",
]
