"""The same job by the library and by the service."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import torch

import dpnp
from app.jobs import Spec
from app.worker.solve import solve
from bench.service.load import SMALL, measurement, measurement_file
from bench.service.prior import NAME
from bench.service.server import Server, Usage


@dataclass(frozen=True)
class Overhead:
    """Seconds of one job, medians: by the clock and of the processor; the service's are those of its worker, from claim to result."""

    iterations: int
    n_samples: int
    library_seconds: float
    library_cpu: float
    service_seconds: float
    service_cpu: float

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def relative(self) -> tuple[float, float]:
        """What the service takes more, as shares of the library's: by the clock, of the processor."""
        return self.service_seconds / self.library_seconds - 1, self.service_cpu / self.library_cpu - 1


def compare(server: Server, iterations: int, n_samples: int, repeats: int) -> Overhead:
    """Run the job ``repeats`` times each way, in turn."""
    sampler = {"name": "dpnp", "n_iterations": iterations, "denoising_steps": 6}
    spec = {**SMALL, "n_samples": n_samples, "sampler": sampler}
    assert server.settings.priors is not None
    prior = dpnp.load_prior(server.settings.priors / NAME, device="cpu")
    torch.set_num_threads(1)
    times = [(*_library(prior, spec), *_service(server, spec)) for _ in range(repeats)]
    return Overhead(iterations, n_samples, *(float(x) for x in np.median(np.array(times), axis=0)))


def _library(prior: dpnp.Prior, spec: dict[str, Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    solve(Spec.model_validate(spec), measurement(), prior)
    return time.perf_counter() - wall, time.process_time() - cpu


def _service(server: Server, spec: dict[str, Any]) -> tuple[float, float]:
    before = Usage.of(server.worker).cpu
    files = {"measurement": measurement_file(), "spec": json.dumps(spec).encode()}
    job = httpx.post(f"{server.url}/v1/jobs", files=files, timeout=60).raise_for_status().json()
    while job["status"] in ("queued", "running"):
        time.sleep(0.2)
        job = httpx.get(f"{server.url}/v1/jobs/{job['id']}", timeout=60).raise_for_status().json()
    if job["status"] != "succeeded":
        raise RuntimeError(f"the job has {job['status']}: {job['error']}")
    started, finished = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return (finished - started).total_seconds(), Usage.of(server.worker).cpu - before
