"""What the API does with jobs: queue, look at, cancel and forget them."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from app.jobs import FINISHED, Job, JobStatus
from app.store.database import events, jobs, now
from app.store.errors import JobNotFinishedError, JobNotFoundError, QueueFullError, TooManyJobsError
from app.store.idempotency import IdempotencyKeys
from app.store.keys import Keys
from app.store.leases import Leases
from app.store.locks import Lock, alone
from app.store.rows import Event, Idempotency, NewJob, job_from_row

S = JobStatus


def new_id() -> str:
    """A job id that nobody can guess."""
    return secrets.token_hex(12)


class Store(Leases, IdempotencyKeys, Keys):
    """The jobs of a service: what the API does with them, and what workers do; and who may call it."""

    # Submitting

    def insert(
        self, job: NewJob, *, max_queue: int, max_per_owner: int | None = None, idempotency: Idempotency | None = None
    ) -> tuple[Job, bool]:
        """Queue ``job``; returns it, and False when the idempotency key had already queued it.

        ``max_per_owner`` bounds the unfinished jobs of the job's owner, where it has one.
        Raises :class:`IdempotencyMismatchError`, :class:`QueueFullError` or :class:`TooManyJobsError`.
        """
        with self._write() as connection:
            alone(connection, Lock.SUBMIT)  # so that what is counted and looked up here stays true
            known = None if idempotency is None else self._replay(connection, job.owner, idempotency)
            if known is not None:
                return self._job(connection, known), False
            self._check_room(connection, job.owner, max_queue, max_per_owner)
            row = {"id": job.id, "status": S.QUEUED, "spec": job.spec.model_dump(mode="json"), "total": job.total, "owner": job.owner}
            connection.execute(jobs.insert().values(**row, created_at=now()))
            if idempotency is not None:
                self._remember(connection, job, idempotency)
            self._record(connection, job.id, "status")
            return self._job(connection, job.id), True

    def _check_room(self, connection: sa.Connection, owner: str | None, max_queue: int, max_per_owner: int | None) -> None:
        waiting = self._waiting(connection)
        if waiting >= max_queue:
            raise QueueFullError(f"{waiting} jobs are waiting, as many as may wait ({max_queue})")
        if owner is None or max_per_owner is None:
            return
        unfinished = [jobs.c.owner == owner, jobs.c.status.not_in(FINISHED)]
        count = connection.execute(sa.select(sa.func.count()).where(*unfinished)).scalar_one()
        if count >= max_per_owner:
            raise TooManyJobsError(f"this key has {count} unfinished jobs, as many as a key may have ({max_per_owner})")

    # Looking

    def check_owner(self, job_id: str, owner: str) -> None:
        """Raises :class:`JobNotFoundError` unless the job exists and is this owner's."""
        query = sa.select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.owner == owner)
        with self._read() as connection:
            if connection.execute(query).first() is None:
                raise JobNotFoundError(job_id)

    def get(self, job_id: str) -> Job:
        """One job. Raises :class:`JobNotFoundError`."""
        with self._read() as connection:
            return self._job(connection, job_id)

    def get_with_token(self, job_id: str) -> tuple[Job, int]:
        """One job and the token of its last lease, which names its result. Raises :class:`JobNotFoundError`."""
        with self._read() as connection:
            job = self._job(connection, job_id)
            token: int = connection.execute(sa.select(jobs.c.lease_token).where(jobs.c.id == job_id)).scalar_one()
            return job, token

    def page(
        self, *, limit: int, before: int | None = None, status: JobStatus | None = None, owner: str | None = None
    ) -> tuple[list[Job], int | None]:
        """At most ``limit`` jobs, newest first, older than position ``before``; and the position for the next page.

        Only those of ``owner``, if given.
        """
        query = sa.select(jobs).order_by(jobs.c.seq.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(jobs.c.seq < before)
        if status is not None:
            query = query.where(jobs.c.status == status)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        with self._read() as connection:
            rows = connection.execute(query).all()
            found = [job_from_row(row, self._position(connection, row)) for row in rows[:limit]]
        return found, rows[limit - 1].seq if len(rows) > limit else None

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs are in each state."""
        with self._read() as connection:
            rows = connection.execute(sa.select(jobs.c.status, sa.func.count()).group_by(jobs.c.status)).all()
        found = {S(row[0]): int(row[1]) for row in rows}
        return {status: found.get(status, 0) for status in JobStatus}

    def failures(self) -> dict[str, int]:
        """How many jobs failed with each type of error."""
        kind = jobs.c.error["type"].as_string()
        query = sa.select(kind, sa.func.count()).where(jobs.c.status == S.FAILED).group_by(kind)
        with self._read() as connection:
            return {row[0]: int(row[1]) for row in connection.execute(query)}

    def events_after(self, job_id: str, last_id: int) -> list[Event]:
        """The job's events after ``last_id``, oldest first."""
        query = sa.select(events).where(events.c.job_id == job_id, events.c.id > last_id).order_by(events.c.id)
        with self._read() as connection:
            return [Event(row.id, row.type, row.data) for row in connection.execute(query)]

    def last_event_id(self) -> int:
        """The newest event of all jobs."""
        with self._read() as connection:
            return connection.execute(sa.select(sa.func.max(events.c.id))).scalar() or 0

    def ids(self) -> set[str]:
        """The ids of all jobs."""
        with self._read() as connection:
            return set(connection.execute(sa.select(jobs.c.id)).scalars())

    # Ending from outside

    def cancel(self, job_id: str) -> Job:
        """Cancel a job: at once when it waits, at the next look of its worker when it runs; a finished one stays as it is."""
        with self._write() as connection:
            self._lock(connection, job_id)  # or the job could go back to the queue between the two looks
            if not self._move(connection, job_id, [S.QUEUED], S.CANCELLED, finished_at=now()):
                self._move(connection, job_id, [S.RUNNING], S.CANCELLING)
            return self._job(connection, job_id)

    def delete(self, job_id: str) -> None:
        """Forget a finished job. Raises :class:`JobNotFoundError` or :class:`JobNotFinishedError`."""
        with self._write() as connection:
            job = self._job(connection, job_id)
            if not job.status.finished:
                raise JobNotFinishedError(f"the job is {job.status}; only a finished job can be deleted: cancel it first")
            connection.execute(jobs.delete().where(jobs.c.id == job_id))

    def delete_older_than(self, seconds: float) -> list[str]:
        """Forget the jobs that finished more than ``seconds`` ago; returns their ids."""
        old = [jobs.c.status.in_(FINISHED), jobs.c.finished_at < now() - seconds]
        with self._write() as connection:
            found = list(connection.execute(sa.select(jobs.c.id).where(*old).with_for_update(skip_locked=True)).scalars())
            connection.execute(jobs.delete().where(jobs.c.id.in_(found)))
        return found
