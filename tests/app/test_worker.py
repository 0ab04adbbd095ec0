"""The worker's loop in this process: how it hands jobs over, stops and ends."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from app.jobs import JobStatus
from app.worker.job_run import JobRun
from tests.app.attempts import MakeWorker, add, at_step, samples, uninterrupted
from tests.app.helpers import until

S = JobStatus

pytestmark = pytest.mark.usefixtures("arviz")


def test_cancel_takes_effect_before_the_next_denoiser_call(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make_worker()
    job_id = add(worker, sampler={"name": "dpnp", "n_iterations": 500, "denoising_steps": 2})

    def cancel(run: JobRun) -> None:
        run.store.cancel(job_id)
        time.sleep(0.3)  # the watcher looks every 0.02 s

    at_step(monkeypatch, 2, cancel)
    worker.work_once()
    job = worker.store.get(job_id)
    assert (job.status, job.progress.step) == (S.CANCELLED, 2)
    assert os.listdir(worker.files.folder(job_id)) == ["measurement.npy"]


@pytest.mark.parametrize("step", [0, 1, 3])
def test_a_stopping_worker_gives_the_job_back_and_it_resumes(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    worker = make_worker()
    job_id = add(worker)
    at_step(monkeypatch, step, lambda run: run.worker.watcher.stopping.set())
    worker.work_once()
    job = worker.store.get(job_id)
    assert (job.status, job.attempt, job.progress.step) == (S.QUEUED, 0, step)
    successor = make_worker("successor")
    steps: list[int] = []
    original = JobRun._after_step
    monkeypatch.setattr(JobRun, "_after_step", lambda self, run: (steps.append(run.step_index), original(self, run))[1])
    successor.work_once()
    assert steps == list(range(step + 1, 5))
    np.testing.assert_array_equal(samples(successor, successor.store.get(job_id)), uninterrupted(worker))


def test_a_frozen_worker_cannot_overwrite_its_successor(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen, successor = make_worker("frozen", cancel_poll_seconds=60), make_worker("successor")
    job_id = add(frozen)

    def take_over(run: JobRun) -> None:
        if run.worker is frozen:
            run.store.recover(3, ["frozen"])
            successor.work_once()

    at_step(monkeypatch, 2, take_over)
    frozen.work_once()
    job, token = frozen.store.get_with_token(job_id)
    assert (job.status, job.attempt, token) == (S.SUCCEEDED, 2, 2)
    assert sorted(os.listdir(frozen.files.folder(job_id))) == ["measurement.npy", "result-2"]
    finals = [e for e in frozen.store.events_after(job_id, 0) if e.data["status"] == "succeeded"]
    assert len(finals) == 1


def test_a_call_that_never_returns_ends_the_worker(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process would be gone; here it goes on when it has been told to end itself."""
    codes: list[int] = []
    monkeypatch.setattr("app.worker.watch.os._exit", codes.append)
    worker = make_worker(job_seconds=0.2, stuck_seconds=0.2)
    job_id = add(worker)
    at_step(monkeypatch, 1, lambda run: until(lambda: codes, 20, "the end of the worker"))
    worker.work_once()
    error = worker.store.get(job_id).error
    assert error is not None
    assert error.type == "out-of-time"


def test_a_cancelled_call_that_never_returns_ends_the_worker(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("app.worker.watch.os._exit", codes.append)
    worker = make_worker(stuck_seconds=0.2)
    job_id = add(worker)

    def hang(run: JobRun) -> None:
        run.store.cancel(job_id)
        until(lambda: codes, 20, "the end of the worker")

    at_step(monkeypatch, 1, hang)
    worker.work_once()
    assert worker.store.get(job_id).status is S.CANCELLED
