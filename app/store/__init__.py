"""The job store: the SQL table is the queue and the only truth."""

from app.store.errors import (
    DatabaseTooNewError,
    IdempotencyMismatchError,
    JobNotFinishedError,
    JobNotFoundError,
    QueueFullError,
    StoreError,
    StoreUrlError,
)
from app.store.rows import Claim, Event, Idempotency, NewJob, WorkerRow
from app.store.store import Store, new_id

__all__ = [
    "Claim",
    "DatabaseTooNewError",
    "Event",
    "Idempotency",
    "IdempotencyMismatchError",
    "JobNotFinishedError",
    "JobNotFoundError",
    "NewJob",
    "QueueFullError",
    "Store",
    "StoreError",
    "StoreUrlError",
    "WorkerRow",
    "new_id",
]
