"""What the tests of workers and their jobs share: a job, something that happens in the middle of it, and its posterior."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.jobs import Job, Spec
from app.store import NewJob, new_id
from app.worker.job_run import JobRun
from app.worker.loop import Worker
from app.worker.solve import solve
from tests.app.helpers import spec

Y = np.full((1, 2, 2), 0.3, dtype=np.float32)
MakeWorker = Callable[..., Worker]


def add(worker: Worker, measurement: np.ndarray = Y, **changes: Any) -> str:
    job_id = new_id()
    worker.files.create(job_id, measurement)
    worker.store.insert(NewJob(job_id, Spec.model_validate(spec(**changes))), max_queue=10)
    return job_id


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[JobRun], None]) -> None:
    """Do something inside the iteration after ``step``, before its first denoiser call."""
    original = JobRun._before_call
    done: list[int] = []

    def before_call(self: JobRun) -> None:
        if not done and self.store.get(self.job.id).progress.step == step:
            done.append(step)
            action(self)
        original(self)

    monkeypatch.setattr(JobRun, "_before_call", before_call)


def samples(worker: Worker, job: Job) -> np.ndarray:
    _, token = worker.store.get_with_token(job.id)
    with np.load(worker.files.result(job.id, token) / "posterior.npz") as arrays:
        return arrays["samples"]


def uninterrupted(worker: Worker) -> np.ndarray:
    """The posterior of the plain library call."""
    prior = worker.priors.get("tiny")
    return solve(Spec.model_validate(spec()), Y, prior).posterior.samples.numpy()


class Clock:
    """The clock of running times, which may be put forward."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += seconds
