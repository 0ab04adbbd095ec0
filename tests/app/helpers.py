"""What the tests of the service share."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from app.settings import Settings

ROOT = Path(__file__).parents[2]


class Idle:
    """An engine that runs nothing."""

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass


def spec(**changes: Any) -> dict[str, Any]:
    """A small job for the tiny prior: the measurement has shape (1, 2, 2)."""
    operator = {"name": "super_resolution", "factor": 4, "noise_std": 0.1}
    sampler = {"name": "dpnp", "n_iterations": 4, "denoising_steps": 2}
    return {"operator": operator, "prior": "tiny", "n_samples": 2, "seed": 0, "sampler": sampler, **changes}


def npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def picture(array: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind, **options)
    return stream.getvalue()


MEASUREMENT = npy(np.zeros((1, 2, 2), dtype=np.float32))


def post(client: Any, content: bytes = MEASUREMENT, given: dict[str, Any] | str | None = None, **options: Any) -> Any:
    """Submit a job."""
    text = given if isinstance(given, str) else json.dumps(spec() if given is None else given)
    return client.post("/v1/jobs", files={"measurement": ("anything", content)}, data={"spec": text}, **options)


def until(condition: Callable[[], Any], seconds: float = 60, what: str = "the condition") -> Any:
    """The first truthy value of ``condition``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"{what} did not come within {seconds} s")


def sse(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The events of a stream, each with id, event and data."""
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line == "" and event:
            yield {**event, "data": json.loads(event["data"])}
            event = {}
        elif name:
            event[name] = value.strip()


def fill(folder: Path) -> Path:
    """Leave no room on the disk of ``folder``; deleting the file that is returned makes room again."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    return filler


class LiveServer:
    """``app.api.serve`` in a process of its own; ``client`` speaks to it."""

    def __init__(self, folder: Path, priors: Path, **changes: Any) -> None:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": 0,
            "data_dir": folder / "data",
            "prior": "tiny",
            "priors": priors,
            "device": "cpu",
            "threads": 1,
            "checkpoint_every": 2,
            "cancel_poll_seconds": 0.05,
            "shutdown_seconds": 10,
            "_env_file": None,
        }
        self.settings = Settings(**{**values, **changes})
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client()

    def start(self, ready: bool = True) -> None:
        environment = {**os.environ, **self.settings.environment(), "PYTHONPATH": str(ROOT)}
        offset = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from app.api import serve; serve()"], env=environment, stdout=log, stderr=log, cwd=self.log.parent
            )
        try:
            address = until(lambda: self._address(offset), what="the address")
            self.client.close()
            self.client = httpx.Client(base_url=address, timeout=30)
            if ready:
                until(self.ready, what="a worker")
        except BaseException:
            self.kill()  # or it outlives the tests
            self.client.close()
            raise

    def _address(self, offset: int) -> str:
        lines = self.log.read_text()[offset:].splitlines()
        return next((line.split()[-1] for line in lines if line.startswith("DPnP serves on ")), "")

    def ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.ConnectError:
            return False

    def workers(self) -> list[int]:
        """Process ids of the service's children that are workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = {int(pid) for task in children.parent.parent.iterdir() for pid in (task / "children").read_text().split()}
        return sorted(pid for pid in found if b"app.worker" in Path(f"/proc/{pid}/cmdline").read_bytes())

    def kill_worker(self) -> None:
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.client.close()
        self.process.terminate()
        return self.process.wait(30)

    def job(self, job_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(f"/v1/jobs/{job_id}").json()
        return answer

    def finished(self, job_id: str, seconds: float = 60) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] in ("succeeded", "failed", "cancelled") else None

        job: dict[str, Any] = until(look, seconds, "the end of the job")
        return job

    def posterior(self, job_id: str) -> dict[str, np.ndarray]:
        answer = self.client.get(f"/v1/jobs/{job_id}/result/posterior.npz")
        answer.raise_for_status()
        with np.load(io.BytesIO(answer.content)) as arrays:
            return dict(arrays)


def submit(live: LiveServer, **changes: Any) -> str:
    answer = post(live.client, given=spec(**changes))
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def reached(live: LiveServer, job_id: str, step: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job = live.job(job_id)
        assert job["status"] in ("queued", "running"), job
        return job if job["progress"]["step"] >= step else None

    job: dict[str, Any] = until(look, what=f"step {step}")
    return job
