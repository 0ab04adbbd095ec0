"""``make soak``: a long run of bad luck, and nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.app.helpers import LiveServer, post, spec, sse, until
from tests.app.postgres import Postgres

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

LENGTHS = (20, 150)  # iterations of a short job and of a long one
JOBS, BLOWS = 12, 20


@pytest.fixture(params=["sqlite", "postgresql"])
def unlucky(request: pytest.FixtureRequest, tmp_path: Path, priors_dir: Path) -> Iterator[LiveServer]:
    """The service with two workers. Bad luck must not use up the attempts."""
    url = None
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.database()
    server = LiveServer(tmp_path, priors_dir, workers=2, lease_seconds=5, max_attempts=1000, database_url=url)
    server.start()
    yield server
    server.stop()


def kill_a_worker(live: LiveServer, luck: random.Random) -> None:
    workers = live.workers()
    if workers:
        os.kill(luck.choice(workers), signal.SIGKILL)


def freeze_a_worker(live: LiveServer, luck: random.Random) -> None:
    workers = live.workers()
    if workers:
        pid = luck.choice(workers)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(luck.uniform(1, 12))  # shorter and longer than a lease
        if pid in live.workers():
            os.kill(pid, signal.SIGCONT)


def kill_the_service(live: LiveServer, luck: random.Random) -> None:
    live.kill()
    time.sleep(luck.uniform(0, 2))
    live.start(ready=False)


def restart_the_service(live: LiveServer, luck: random.Random) -> None:
    live.stop()
    live.start(ready=False)


def submit_again(live: LiveServer, keys: dict[str, int]) -> dict[str, str]:
    """All jobs, by idempotency key; a repetition changes nothing."""
    found = {}
    for key, n_iterations in keys.items():
        given = spec(seed=n_iterations, sampler={"name": "dpnp", "n_iterations": n_iterations, "denoising_steps": 4})
        found[key] = post(live.client, given=given, headers={"Idempotency-Key": key}).json()["id"]
    return found


def unfinished(live: LiveServer) -> bool:
    pages = [live.client.get("/v1/jobs", params={"status": status}).json()["jobs"] for status in ("queued", "running", "cancelling")]
    return any(pages)


def test_bad_luck_costs_nothing_but_time(unlucky: LiveServer) -> None:
    live, luck = unlucky, random.Random(0)
    blows: list[Callable[[LiveServer, random.Random], None]] = [kill_a_worker, freeze_a_worker, kill_the_service, restart_the_service]
    keys = {f"job {i}": LENGTHS[i % 2] for i in range(JOBS)}
    ids = submit_again(live, keys)
    for _ in range(BLOWS):
        time.sleep(luck.uniform(0, 6))
        luck.choice(blows)(live, luck)
        assert submit_again(live, keys) == ids
        if not unfinished(live):
            break
    until(lambda: not unfinished(live), 600, "the end of all jobs")
    assert len(live.client.get("/v1/jobs?limit=100").json()["jobs"]) == len(ids)
    for n_iterations in LENGTHS:
        equal = [live.posterior(ids[key]) for key, n in keys.items() if n == n_iterations]
        for posterior in equal:
            np.testing.assert_array_equal(posterior["samples"], equal[0]["samples"])
    for job_id in ids.values():
        with live.client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
            statuses = [event["data"]["status"] for event in sse(answer.iter_lines()) if event["event"] == "status"]
        assert (statuses.count("succeeded"), statuses[-1]) == (1, "succeeded")
        assert len(os.listdir(live.settings.data_dir / "jobs" / job_id)) == 2  # the measurement and one result
