"""What the API does with jobs: queue, look at, cancel and forget them."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from app.jobs import FINISHED, Job, JobStatus
from app.store.database import events, idempotency_keys, jobs, now
from app.store.errors import IdempotencyMismatchError, JobNotFinishedError, QueueFullError
from app.store.leases import Leases
from app.store.rows import Event, Idempotency, NewJob, job_from_row

S = JobStatus


def new_id() -> str:
    """A job id that nobody can guess."""
    return secrets.token_hex(12)


class Store(Leases):
    """The jobs of a service: what the API does with them, and what workers do."""

    # Submitting

    def insert(self, job: NewJob, *, max_queue: int, idempotency: Idempotency | None = None) -> tuple[Job, bool]:
        """Queue ``job``; returns it, and False when the idempotency key had already queued it.

        Raises :class:`IdempotencyMismatchError` or :class:`QueueFullError`.
        """
        try:
            return self._insert(job, max_queue, idempotency)
        except sa.exc.IntegrityError:  # another server queued the same key between our look and our insertion
            return self._insert(job, max_queue, idempotency)

    def _insert(self, job: NewJob, max_queue: int, idempotency: Idempotency | None) -> tuple[Job, bool]:
        with self._write() as connection:
            known = self._replay(connection, idempotency)
            if known is not None:
                return self._job(connection, known), False
            waiting = self._waiting(connection)
            if waiting >= max_queue:
                raise QueueFullError(f"{waiting} jobs are waiting, as many as may wait ({max_queue})")
            row = {"id": job.id, "status": S.QUEUED, "spec": job.spec.model_dump(mode="json"), "total": job.total}
            connection.execute(jobs.insert().values(**row, created_at=now()))
            if idempotency is not None:
                values = {"key": idempotency.key, "payload_hash": idempotency.payload_hash, "job_id": job.id}
                connection.execute(idempotency_keys.insert().values(**values))
            self._record(connection, job.id, "status")
            return self._job(connection, job.id), True

    def replay(self, idempotency: Idempotency) -> Job | None:
        """The job that this key queued before, if any. Raises :class:`IdempotencyMismatchError`."""
        with self._read() as connection:
            known = self._replay(connection, idempotency)
            return None if known is None else self._job(connection, known)

    def _replay(self, connection: sa.Connection, idempotency: Idempotency | None) -> str | None:
        if idempotency is None:
            return None
        row = connection.execute(sa.select(idempotency_keys).where(idempotency_keys.c.key == idempotency.key)).first()
        if row is not None and row.payload_hash != idempotency.payload_hash:
            raise IdempotencyMismatchError(f"the idempotency key {idempotency.key!r} was used before, with another payload")
        return None if row is None else row.job_id

    # Looking

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

    def page(self, *, limit: int, before: int | None = None, status: JobStatus | None = None) -> tuple[list[Job], int | None]:
        """At most ``limit`` jobs, newest first, older than position ``before``; and the position for the next page."""
        query = sa.select(jobs).order_by(jobs.c.seq.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(jobs.c.seq < before)
        if status is not None:
            query = query.where(jobs.c.status == status)
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
