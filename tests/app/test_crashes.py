"""Processes that freeze, die and lose their database, as they do: real ones, with real signals."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from app.store import Store
from app.store.database import jobs
from tests.app.answers import problem
from tests.app.helpers import LiveServer, post, reached, sse, submit, until
from tests.app.postgres import Postgres

pytestmark = pytest.mark.timeout(240)

LONG = {"name": "dpnp", "n_iterations": 150, "denoising_steps": 4}
ENDLESS = {**LONG, "n_iterations": 5000}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, priors_dir: Path) -> Iterator[LiveServer]:
    """The service with two workers and short leases."""
    server = LiveServer(tmp_path_factory.mktemp("pair"), priors_dir, workers=2, lease_seconds=4, heartbeat_seconds=0.2)
    server.start()
    until(lambda: "dpnp_workers_ready 2.0" in server.client.get("/metrics").text, what="both workers")
    yield server
    server.stop()


def holder(live: LiveServer, job_id: str) -> int:
    """The process that has the job."""
    store = Store(live.settings.store_url)
    with store._read() as connection:
        worker = connection.execute(sa.select(jobs.c.worker).where(jobs.c.id == job_id)).scalar_one()
    store.close()
    return next(pid for pid in live.workers() if worker.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))


def locked(live: LiveServer) -> bool:
    """Whether some process holds the write lock of the store for longer than a transaction takes."""
    with contextlib.closing(sqlite3.connect(live.settings.data_dir / "dpnp.sqlite3", timeout=0.5, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


def freeze(live: LiveServer, pid: int, holding: bool) -> None:
    """Stop the process when it holds the store's write lock, or when it does not."""

    def attempt() -> bool:
        os.kill(pid, signal.SIGSTOP)
        if locked(live) == holding and (not holding or locked(live)):  # not somebody else's slow write
            return True
        os.kill(pid, signal.SIGCONT)
        return False

    until(attempt, 100, "the right moment")


def history(live: LiveServer, job_id: str) -> list[dict[str, Any]]:
    with live.client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        return list(sse(answer.iter_lines()))


def statuses(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["status"] for event in events if event["event"] == "status"]


def assert_same_posterior(live: LiveServer, one: str, other: str) -> None:
    for name, array in live.posterior(one).items():
        np.testing.assert_array_equal(live.posterior(other)[name], array)


def test_a_worker_that_freezes_and_wakes_up_late_changes_nothing(pair: LiveServer) -> None:
    """SIGSTOP in the middle, takeover when the lease has run out, SIGCONT while the successor samples."""
    job_id = submit(pair, sampler=LONG)
    reached(pair, job_id, 5)
    frozen = holder(pair, job_id)
    freeze(pair, frozen, holding=False)
    until(lambda: (pair.job(job_id)["attempt"], pair.job(job_id)["status"]) == (2, "running"), what="the takeover")
    os.kill(frozen, signal.SIGCONT)
    assert pair.finished(job_id)["status"] == "succeeded"
    until(lambda: "the lease was lost" in pair.log.read_text(), 20, "the frozen worker's insight")
    assert statuses(history(pair, job_id)) == ["queued", "running", "queued", "running", "succeeded"]
    folder = pair.settings.data_dir / "jobs" / job_id
    assert sorted(os.listdir(folder)) == ["measurement.npy", "result-2"]
    undisturbed = submit(pair, sampler=LONG)
    assert pair.finished(undisturbed)["status"] == "succeeded"
    assert_same_posterior(pair, undisturbed, job_id)


def test_a_worker_that_freezes_while_it_writes_holds_up_nobody(pair: LiveServer) -> None:
    """It has the write lock of SQLite, so nobody can write: it is killed, and its job goes on."""
    job_id = submit(pair, sampler=ENDLESS)
    reached(pair, job_id, 5)
    freeze(pair, holder(pair, job_id), holding=True)
    until(lambda: "is stopped while the store is locked" in pair.log.read_text(), what="its end")
    until(lambda: (pair.job(job_id)["attempt"], pair.job(job_id)["status"]) == (2, "running"), what="the takeover")
    pair.client.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    assert pair.finished(job_id)["status"] == "cancelled"


def test_fifty_equal_requests_at_once_make_one_job(pair: LiveServer) -> None:
    before = pair.client.get("/v1/jobs?limit=100").json()["jobs"]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: post(pair.client, headers={"Idempotency-Key": "fifty"}), range(50)))
    queued = [answer for answer in answers if answer.status_code in (200, 202)]
    assert len({answer.json()["id"] for answer in queued}) == 1
    for answer in answers:
        if answer not in queued:
            assert "in-flight" in problem(answer, 409)["type"]
    assert len(pair.client.get("/v1/jobs?limit=100").json()["jobs"]) == len(before) + 1


def test_a_silent_stream_has_a_heartbeat(pair: LiveServer) -> None:
    job_id = submit(pair, sampler=ENDLESS)
    with pair.client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert next(line for line in answer.iter_lines() if line.startswith(":"))
    pair.client.post(f"/v1/jobs/{job_id}/cancel")
    assert pair.finished(job_id)["status"] == "cancelled"


def test_a_job_that_kills_its_workers_fails_after_three_attempts(pair: LiveServer) -> None:
    job_id = submit(pair, sampler=ENDLESS)
    for attempt in (1, 2, 3):
        until(lambda n=attempt: (pair.job(job_id)["attempt"], pair.job(job_id)["status"]) == (n, "running"), what=f"attempt {attempt}")
        os.kill(holder(pair, job_id), signal.SIGKILL)
    job = pair.finished(job_id)
    assert (job["status"], job["error"]["type"]) == ("failed", "worker-died")
    assert "3 attempts" in job["error"]["detail"]
    assert statuses(history(pair, job_id)) == ["queued", "running"] * 3 + ["failed"]
    assert pair.finished(submit(pair))["status"] == "succeeded"


@pytest.fixture
def on_postgres(tmp_path: Path, priors_dir: Path, postgres: Postgres) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path, priors_dir, database_url=postgres.database(), lease_seconds=60)
    server.start()
    yield server
    server.stop()


def test_the_service_outlives_its_database(on_postgres: LiveServer, postgres: Postgres) -> None:
    """PostgreSQL crashes in the middle of a job and comes back: the job goes on, and the attempt does not count."""
    live = on_postgres
    job_id = submit(live, sampler={**LONG, "n_iterations": 100})
    reached(live, job_id, 5)
    postgres.stop()
    try:
        answer = live.client.get(f"/v1/jobs/{job_id}")
        problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        problem(live.client.get("/readyz"), 503)
        until(lambda: "the job store cannot be reached" in live.log.read_text(), 20, "the worker's notice")
    finally:
        postgres.start()
    job = live.finished(job_id, 120)
    assert (job["status"], job["attempt"]) == ("succeeded", 1)
    undisturbed = submit(live, sampler={**LONG, "n_iterations": 100})
    assert live.finished(undisturbed)["status"] == "succeeded"
    assert_same_posterior(live, undisturbed, job_id)
