"""Many clients at once: every call timed, every job accounted for."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx
import numpy as np
from tqdm import tqdm

from app.store import Store
from bench.service.prior import NAME, SHAPE
from bench.service.server import Server, Usage

POLL_SECONDS = 0.5
FINISHED = ("succeeded", "failed", "cancelled")
SMALL: dict[str, Any] = {
    "operator": {"name": "super_resolution", "factor": 4, "noise_std": 0.1},
    "prior": NAME,
    "n_samples": 2,
    "sampler": {"name": "dpnp", "n_iterations": 4, "denoising_steps": 2},
}


def measurement() -> np.ndarray:
    """What is submitted: any numbers of the right shape."""
    return np.zeros((SHAPE[0], SHAPE[1] // 4, SHAPE[2] // 4), dtype=np.float32)


def measurement_file() -> bytes:
    """The same as .npy."""
    stream = io.BytesIO()
    np.save(stream, measurement())
    return stream.getvalue()


@dataclass
class Seen:
    """What the clients saw: seconds of every call, the ids that they were given."""

    submit: list[float] = field(default_factory=list)
    status: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    refused: int = 0
    memory: list[tuple[int, float, float]] = field(default_factory=list)
    """(jobs finished, MiB of the API, MiB of the worker) as time goes by."""


class Client:
    """One of the clients: submits its jobs one after the other, looks at them, waits for all."""

    def __init__(self, http: httpx.AsyncClient, seen: Seen, bar: Any, name: int) -> None:
        self._http, self._seen, self._bar, self._name = http, seen, bar, name
        self._open: list[str] = []

    async def run(self, jobs: int) -> None:
        """Submit and see ``jobs`` jobs through."""
        for i in range(jobs):
            await self._submit(i)
            await self._look()
        while self._open:
            await asyncio.sleep(POLL_SECONDS)
            await self._look()

    async def _submit(self, i: int) -> None:
        key = f"client {self._name} job {i}"
        spec = json.dumps({**SMALL, "seed": i})
        while True:
            started = time.perf_counter()
            files = {"measurement": measurement_file(), "spec": spec.encode()}
            answer = await self._http.post("/v1/jobs", files=files, headers={"Idempotency-Key": key})
            if answer.status_code != 429:
                break
            self._seen.refused += 1
            await asyncio.sleep(float(answer.headers["retry-after"]))
        self._seen.submit.append(time.perf_counter() - started)
        answer.raise_for_status()
        self._open.append(answer.json()["id"])
        self._seen.ids.append(self._open[-1])

    async def _look(self) -> None:
        """Ask for the oldest unfinished job."""
        started = time.perf_counter()
        answer = await self._http.get(f"/v1/jobs/{self._open[0]}")
        self._seen.status.append(time.perf_counter() - started)
        while self._open and answer.raise_for_status().json()["status"] in FINISHED:
            self._open.pop(0)
            self._bar.update()
            if self._open:
                answer = await self._http.get(f"/v1/jobs/{self._open[0]}")


async def _storm(server: Server, jobs: int, clients: int) -> Seen:
    seen = Seen()
    limits = httpx.Limits(max_connections=clients)
    with tqdm(total=jobs, desc="jobs") as bar:
        async with httpx.AsyncClient(base_url=server.url, timeout=120, limits=limits) as http:
            shares = [len(range(i, jobs, clients)) for i in range(clients)]
            watching = asyncio.create_task(_watch_memory(server, seen, bar))
            await asyncio.gather(*(Client(http, seen, bar, i).run(share) for i, share in enumerate(shares)))
            watching.cancel()
    return seen


async def _watch_memory(server: Server, seen: Seen, bar: Any) -> None:
    for _ in itertools.count():
        seen.memory.append((int(bar.n), Usage.of(server.api).memory, Usage.of(server.worker).memory))
        await asyncio.sleep(1)


@dataclass(frozen=True)
class Load:
    """The result of a storm."""

    jobs: int
    clients: int
    lost: int
    run_twice: int
    refused: int
    seconds: float
    worker_cpu_per_job: float
    api_cpu_per_job: float
    submit_ms: tuple[float, float]
    """p50, p99."""
    status_ms: tuple[float, float]
    api_memory_mib: tuple[float, float]
    """When a fifth of the jobs was done, and at the end."""
    worker_memory_mib: tuple[float, float]

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def storm(server: Server, jobs: int, clients: int) -> Load:
    """Send ``jobs`` jobs from ``clients`` clients at once and account for them."""
    started, api, worker = time.perf_counter(), Usage.of(server.api).cpu, Usage.of(server.worker).cpu
    seen = asyncio.run(_storm(server, jobs, clients))
    seconds = time.perf_counter() - started
    lost, twice = _accounts(server, seen.ids)
    fifth = next(i for i, (done, _, _) in enumerate(seen.memory) if done >= jobs / 5 or i == len(seen.memory) - 1)
    return Load(
        jobs=jobs,
        clients=clients,
        lost=lost + jobs - len(set(seen.ids)),
        run_twice=twice,
        refused=seen.refused,
        seconds=seconds,
        worker_cpu_per_job=(Usage.of(server.worker).cpu - worker) / jobs,
        api_cpu_per_job=(Usage.of(server.api).cpu - api) / jobs,
        submit_ms=_percentiles(seen.submit),
        status_ms=_percentiles(seen.status),
        api_memory_mib=(seen.memory[fifth][1], Usage.of(server.api).memory),
        worker_memory_mib=(seen.memory[fifth][2], Usage.of(server.worker).memory),
    )


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    low, high = np.percentile(np.array(seconds) * 1000, [50, 99])
    return float(low), float(high)


def _accounts(server: Server, ids: Sequence[str]) -> tuple[int, int]:
    """Jobs that did not succeed, and jobs that were started or ended more than once, by the service's own events."""
    store = Store(server.settings.store_url)
    lost = twice = 0
    for job_id in ids:
        kinds = Counter(event.data["status"] for event in store.events_after(job_id, 0) if event.type == "status")
        lost += kinds["succeeded"] == 0
        twice += kinds["succeeded"] > 1 or kinds["running"] > 1 or store.get(job_id).attempt > 1
    store.close()
    return lost, twice
