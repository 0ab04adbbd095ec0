"""What can be done with jobs. Every change of state is one guarded UPDATE, in one transaction with the event that it causes."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from app.jobs import FINISHED, LEASED, Job, JobError, JobStatus, check_transition
from app.store.database import connect, events, idempotency_keys, jobs, now, workers
from app.store.errors import IdempotencyMismatchError, JobNotFinishedError, JobNotFoundError, QueueFullError
from app.store.rows import Claim, Event, Idempotency, NewJob, WorkerRow, event_data, job_from_row

S = JobStatus


def new_id() -> str:
    """A job id that nobody can guess."""
    return secrets.token_hex(12)


class Store:
    """The jobs of a service. Safe to share between threads; any number of processes may use one database."""

    def __init__(self, url: str) -> None:
        self._engine = connect(url)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(writing=True) as connection, connection.begin():
            yield connection

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
        found = {status: count for status, count in rows}
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
            found = list(connection.execute(sa.select(jobs.c.id).where(*old)).scalars())
            connection.execute(jobs.delete().where(jobs.c.id.in_(found)))
        return found

    # Working

    def claim(self, worker: str, lease_seconds: float) -> Claim | None:
        """Lease the longest waiting job to ``worker``, or None when no job waits."""
        oldest = sa.select(jobs.c.id).where(jobs.c.status == S.QUEUED).order_by(jobs.c.seq).limit(1)
        with self._write() as connection:
            job_id = connection.execute(oldest.with_for_update(skip_locked=True)).scalar()
            if job_id is None:
                return None
            lease = {"lease_token": jobs.c.lease_token + 1, "lease_until": now() + lease_seconds, "worker": worker}
            times = {"attempt": jobs.c.attempt + 1, "started_at": sa.func.coalesce(jobs.c.started_at, now())}
            if not self._move(connection, job_id, [S.QUEUED], S.RUNNING, **lease, **times):
                return None
            token = connection.execute(sa.select(jobs.c.lease_token).where(jobs.c.id == job_id)).scalar_one()
            return Claim(self._job(connection, job_id), token)

    def renew(self, claim: Claim, lease_seconds: float) -> bool:
        """Extend the lease; False when the claim is no longer this worker's."""
        with self._write() as connection:
            return self._update(connection, claim.job.id, LEASED, claim.token, lease_until=now() + lease_seconds)

    def held(self, claim: Claim) -> JobStatus | None:
        """The job's state while the claim holds; None once it is another worker's, finished or forgotten."""
        query = sa.select(jobs.c.status).where(jobs.c.id == claim.job.id, jobs.c.lease_token == claim.token, jobs.c.status.in_(LEASED))
        with self._read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else S(found)

    def progress(self, claim: Claim, step: int, total: int) -> bool:
        """Write the progress; False when the claim is lost."""
        with self._write() as connection:
            held = self._update(connection, claim.job.id, LEASED, claim.token, step=step, total=total)
            if held:
                self._record(connection, claim.job.id, "progress")
            return held

    def succeed(self, claim: Claim) -> bool:
        """The result is in place; False when the job was cancelled meanwhile or the claim is lost."""
        return self._finish(claim, S.RUNNING, S.SUCCEEDED)

    def fail(self, claim: Claim, error: JobError) -> bool:
        """The job failed; False when it was cancelled meanwhile or the claim is lost."""
        return self._finish(claim, S.RUNNING, S.FAILED, error=error.model_dump())

    def cancelled(self, claim: Claim) -> bool:
        """The worker stopped a job that was to be cancelled; False when the claim is lost."""
        return self._finish(claim, S.CANCELLING, S.CANCELLED)

    def release(self, claim: Claim) -> bool:
        """Give the job back because the worker stops in good order: this attempt does not count."""
        with self._write() as connection:
            values = {"attempt": jobs.c.attempt - 1, "lease_until": None, "worker": None}
            return self._move(connection, claim.job.id, [S.RUNNING], S.QUEUED, claim.token, **values)

    def recover(self, max_attempts: int, dead_workers: Iterable[str] = ()) -> list[Job]:
        """Take back the jobs whose lease ran out or whose worker is dead: queue, cancel or fail them."""
        lost = sa.or_(jobs.c.lease_until < now(), jobs.c.worker.in_(list(dead_workers)))
        with self._write() as connection:
            rows = connection.execute(sa.select(jobs).where(jobs.c.status.in_(LEASED), lost).with_for_update()).all()
            for row in rows:
                self._take_back(connection, row, max_attempts)
            return [self._job(connection, row.id) for row in rows]

    def _take_back(self, connection: sa.Connection, row: sa.Row[Any], max_attempts: int) -> None:
        free: dict[str, Any] = {"lease_until": None, "worker": None}
        if row.status == S.CANCELLING:
            self._move(connection, row.id, [S.CANCELLING], S.CANCELLED, row.lease_token, **free, finished_at=now())
        elif row.attempt < max_attempts:
            self._move(connection, row.id, [S.RUNNING], S.QUEUED, row.lease_token, **free)
        else:
            detail = f"its worker died in each of {row.attempt} attempts; a smaller n_samples needs less memory"
            error = JobError(type="worker-died", title="The worker died", detail=detail).model_dump()
            self._move(connection, row.id, [S.RUNNING], S.FAILED, row.lease_token, **free, error=error, finished_at=now())

    def _finish(self, claim: Claim, source: JobStatus, target: JobStatus, **values: Any) -> bool:
        with self._write() as connection:
            ended = {**values, "finished_at": now(), "lease_until": None, "worker": None}
            return self._move(connection, claim.job.id, [source], target, claim.token, **ended)

    # Workers

    def report_worker(self, row: WorkerRow) -> None:
        """Say that a worker is alive, and how it is."""
        values = {**row.values(), "seen_at": now()}
        with self._write() as connection:
            if not connection.execute(workers.update().where(workers.c.id == row.id).values(**values)).rowcount:
                connection.execute(workers.insert().values(id=row.id, **values))

    def workers_seen(self, within_seconds: float) -> list[WorkerRow]:
        """The workers heard of lately."""
        with self._read() as connection:
            rows = connection.execute(sa.select(workers).where(workers.c.seen_at > now() - within_seconds)).all()
        return [WorkerRow(row.id, row.state, row.detail, row.denoiser_calls, row.sampling_seconds) for row in rows]

    def forget_worker(self, worker: str) -> None:
        """The worker is gone."""
        with self._write() as connection:
            connection.execute(workers.delete().where(workers.c.id == worker))

    # The one way to change a job

    def _move(
        self,
        connection: sa.Connection,
        job_id: str,
        sources: list[JobStatus],
        target: JobStatus,
        token: int | None = None,
        **values: Any,
    ) -> bool:
        for source in sources:
            check_transition(source, target)
        moved = self._update(connection, job_id, sources, token, status=target, **values)
        if moved:
            self._record(connection, job_id, "status")
        return moved

    def _update(
        self, connection: sa.Connection, job_id: str, sources: Iterable[JobStatus], token: int | None, **values: Any
    ) -> bool:
        guard = [jobs.c.id == job_id, jobs.c.status.in_(list(sources))]
        if token is not None:
            guard.append(jobs.c.lease_token == token)
        return connection.execute(jobs.update().where(*guard).values(**values)).rowcount == 1

    def _record(self, connection: sa.Connection, job_id: str, kind: str) -> None:
        data = event_data(self._job(connection, job_id))
        connection.execute(events.insert().values(job_id=job_id, type=kind, data=data))

    def _job(self, connection: sa.Connection, job_id: str) -> Job:
        row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).first()
        if row is None:
            raise JobNotFoundError(job_id)
        return job_from_row(row, self._position(connection, row))

    def _position(self, connection: sa.Connection, row: sa.Row[Any]) -> int | None:
        return self._waiting(connection, row.seq) if row.status == S.QUEUED else None

    def _waiting(self, connection: sa.Connection, up_to: int | None = None) -> int:
        query = sa.select(sa.func.count()).where(jobs.c.status == S.QUEUED)
        return connection.execute(query if up_to is None else query.where(jobs.c.seq <= up_to)).scalar_one()
