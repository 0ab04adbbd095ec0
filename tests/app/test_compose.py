"""What docker-compose.yml describes works, and goes on after any of its processes was killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.settings import Settings
from tests.app.answers import problem
from tests.app.composed import EXTRA_WORKER, Composed, read_compose, seconds
from tests.app.helpers import ROOT, until

PATIENCE = 400.0
SPEC = {
    "operator": {"name": "super_resolution", "factor": 4, "noise_std": 0.1},
    "n_samples": 1,
    "sampler": {"name": "dpnp", "n_iterations": 60, "denoising_steps": 1},
}


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Composed]:
    composed = Composed(tmp_path, password="s3cret")
    yield composed
    composed.end()


def submit(composed: Composed) -> str:
    """A job of the default prior on the example photograph."""
    photograph = (ROOT / "app/examples/astronaut.png").read_bytes()
    problem_spec = json.dumps({"operator": SPEC["operator"]})
    measurement = composed.client.post("/v1/simulate", files={"image": photograph}, data={"spec": problem_spec}).content
    answer = composed.client.post("/v1/jobs", files={"measurement": measurement}, data={"spec": json.dumps(SPEC)})
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def reach(composed: Composed, job_id: str, step: int, attempt: int = 1) -> None:
    def look() -> bool:
        answer = composed.client.get(f"/v1/jobs/{job_id}")
        job: dict[str, Any] = answer.json()
        return answer.status_code == 200 and (job["attempt"], job["status"]) == (attempt, "running") and job["progress"]["step"] >= step

    until(look, PATIENCE, f"step {step} of attempt {attempt}")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_the_compose_file_describes_outlives_the_end_of_any_of_its_processes(composed: Composed, tmp_path: Path) -> None:
    composed.start()
    assert composed.container.environment["DPNP_DATABASE_URL"].startswith("postgresql://dpnp:s3cret@")
    whole = submit(composed)
    assert composed.finished(whole, PATIENCE)["status"] == "succeeded"

    broken = submit(composed)
    reach(composed, broken, 6)
    composed.kill_worker()
    reach(composed, broken, 12, attempt=2)
    composed.postgres.stop()
    assert not composed.database.healthy()
    until(lambda: composed.client.get(f"/v1/jobs/{broken}").status_code == 503, 60, "the notice that the database is gone")
    problem(composed.client.get("/readyz"), 503)
    assert not composed.container.healthy()
    composed.postgres.start()
    composed.database.wait()
    reach(composed, broken, 18, attempt=2)

    composed.kill()
    log = tmp_path / "worker.log"
    worker = composed.run(EXTRA_WORKER, log)
    try:
        until(lambda: "starts" in log.read_text(), PATIENCE, "a worker beside the service that takes the job")
        composed.start()
        assert composed.finished(broken, PATIENCE)["status"] == "succeeded"
        for name, array in composed.posterior(whole).items():
            np.testing.assert_array_equal(composed.posterior(broken)[name], array)
        assert sorted(os.listdir(tmp_path / "data" / "jobs")) == sorted([whole, broken])
        grace = seconds(composed.container.service["stop_grace_period"])
        started = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert composed.stop() in (0, -signal.SIGTERM)
        assert worker.wait(grace) == 0
        assert time.monotonic() - started < grace
    finally:
        worker.kill()
        worker.wait()


def test_the_compose_file_fits_the_image_and_the_settings() -> None:
    compose = read_compose({})
    services = compose["services"]
    for name in ("dpnp", "dpnp-cpu"):
        service = services[name]
        url = service["environment"]["DPNP_DATABASE_URL"]
        database = services["postgres"]["environment"]
        user, password, base = (database[f"POSTGRES_{what}"] for what in ("USER", "PASSWORD", "DB"))
        assert url == f"postgresql://{user}:{password}@postgres/{base}"
        assert service["depends_on"] == {"postgres": {"condition": "service_healthy"}}
        assert seconds(service["stop_grace_period"]) > Settings(_env_file=None).shutdown_seconds + 10
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= set(compose["volumes"]), name
    assert "profiles" not in services["postgres"]  # or it would not be there for both
