"""What workers do: claim a job, keep it, end it; and what happens to the jobs of those that vanish."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from app.jobs import LEASED, Job, JobError, JobStatus
from app.store.base import Transactions
from app.store.database import jobs, now, workers
from app.store.rows import Claim, Stopwatch, WorkerRow

S = JobStatus


class Leases(Transactions):
    """Jobs leased to workers. A claim's token is part of every guard, so that an old claim changes nothing."""

    def claim(self, worker: str, lease_seconds: float) -> Claim | None:
        """Lease the longest waiting job to ``worker``, or None when no job waits."""
        oldest = sa.select(jobs.c.id).where(jobs.c.status == S.QUEUED).order_by(jobs.c.seq).limit(1)
        with self._read() as connection:
            if connection.execute(oldest).scalar() is None:  # idle workers must not take the write lock again and again
                return None
        with self._write() as connection:
            job_id = connection.execute(oldest.with_for_update(skip_locked=True)).scalar()
            if job_id is None:
                return None
            lease: dict[str, Any] = {"lease_token": jobs.c.lease_token + 1, "lease_until": now() + lease_seconds, "worker": worker}
            times: dict[str, Any] = {"attempt": jobs.c.attempt + 1, "started_at": sa.func.coalesce(jobs.c.started_at, now())}
            if not self._move(connection, job_id, [S.QUEUED], S.RUNNING, **lease, **times):
                return None
            query = sa.select(jobs.c.lease_token, jobs.c.running_seconds).where(jobs.c.id == job_id)
            token, seconds = connection.execute(query).one()
            return Claim(self._job(connection, job_id), token, Stopwatch(seconds))

    def renew(self, claim: Claim, lease_seconds: float) -> bool:
        """Extend the lease; False when the claim is no longer this worker's."""
        with self._write() as connection:
            values = {"lease_until": now() + lease_seconds, **_running(claim)}
            return self._update(connection, claim.job.id, LEASED, claim.token, values)

    def held(self, claim: Claim) -> JobStatus | None:
        """The job's state while the claim holds; None once it is another worker's, finished or forgotten."""
        query = sa.select(jobs.c.status).where(jobs.c.id == claim.job.id, jobs.c.lease_token == claim.token, jobs.c.status.in_(LEASED))
        with self._read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else S(found)

    def progress(self, claim: Claim, step: int, total: int) -> bool:
        """Write the progress; False when the claim is lost."""
        with self._write() as connection:
            held = self._update(connection, claim.job.id, LEASED, claim.token, {"step": step, "total": total, **_running(claim)})
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
            values: dict[str, Any] = {"attempt": jobs.c.attempt - 1, "lease_until": None, "worker": None, **_running(claim)}
            return self._move(connection, claim.job.id, [S.RUNNING], S.QUEUED, claim.token, **values)

    def recover(self, max_attempts: int, dead_workers: Iterable[str] = ()) -> list[Job]:
        """Take back the jobs whose lease ran out or whose worker is dead: queue, cancel or fail them."""
        lost = sa.or_(jobs.c.lease_until < now(), jobs.c.worker.in_(list(dead_workers)))
        with self._write() as connection:
            rows = connection.execute(sa.select(jobs).where(jobs.c.status.in_(LEASED), lost).order_by(jobs.c.seq).with_for_update()).all()
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
            ended = {**values, "finished_at": now(), "lease_until": None, "worker": None, **_running(claim)}
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
        return [WorkerRow(r.id, r.state, r.detail, r.denoiser_calls, r.sampling_seconds, tuple(r.priors or ())) for r in rows]

    def forget_worker(self, worker: str) -> None:
        """The worker is gone."""
        with self._write() as connection:
            connection.execute(workers.delete().where(workers.c.id == worker))


def _running(claim: Claim) -> dict[str, float]:
    return {"running_seconds": claim.running.seconds}
