"""Transactions, and the one way to change a job: a guarded UPDATE together with the event that it causes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from app.jobs import Job, JobStatus, check_transition
from app.store.database import connect, events, jobs
from app.store.errors import JobNotFoundError
from app.store.rows import event_data, job_from_row

S = JobStatus


class Transactions:
    """A database of jobs. Safe to share between threads; any number of processes may use one database."""

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

    def _move(
        self,
        connection: sa.Connection,
        job_id: str,
        sources: Sequence[JobStatus],
        target: JobStatus,
        token: int | None = None,
        **values: Any,
    ) -> bool:
        """From one of ``sources`` to ``target``, with the event; False when the job is not there or the token is old."""
        for source in sources:
            check_transition(source, target)
        moved = self._update(connection, job_id, sources, token, {"status": target, **values})
        if moved:
            self._record(connection, job_id, "status")
        return moved

    def _update(
        self, connection: sa.Connection, job_id: str, sources: Sequence[JobStatus], token: int | None, values: dict[str, Any]
    ) -> bool:
        guard = [jobs.c.id == job_id, jobs.c.status.in_(sources)]
        if token is not None:
            guard.append(jobs.c.lease_token == token)
        return connection.execute(jobs.update().where(*guard).values(**values)).rowcount == 1

    def _lock(self, connection: sa.Connection, job_id: str) -> None:
        """From here to the end of the transaction nobody else changes the job. (An SQLite transaction that writes is alone anyway.)"""
        connection.execute(sa.select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())

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
