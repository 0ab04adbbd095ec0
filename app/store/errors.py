"""The errors of the store."""

import sqlite3

import sqlalchemy as sa

UNREACHABLE = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)
"""What is raised while the database cannot be reached, is too busy or has no room: the same call may succeed later."""


def is_locked(error: BaseException) -> bool:
    """Another process holds the write lock of an SQLite database, and did not let it go in all the time that was waited for it."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY  # the rest tells the kinds of it apart


class StoreError(Exception):
    """Base of the store's errors."""


class StoreUrlError(StoreError):
    """The URL of the database is of no use."""


class DatabaseTooNewError(StoreError):
    """A later version of the service has changed the database; this one cannot work with it."""


class JobNotFoundError(StoreError):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id!r}")


class JobNotFinishedError(StoreError):
    """Only a finished job can be forgotten."""


class QueueFullError(StoreError):
    """As many jobs wait as may wait."""


class TooManyJobsError(StoreError):
    """The key has as many unfinished jobs as a key may have."""


class KeyExistsError(StoreError):
    """An API key of this name was made before."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a key named {name!r} already; a revoked key's name is not given again")


class KeyNotFoundError(StoreError):
    """No API key has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no key named {name!r}")


class IdempotencyMismatchError(StoreError):
    """The idempotency key was used before, with another payload."""


class IdempotencyInFlightError(StoreError):
    """A request with the same idempotency key is being handled."""
