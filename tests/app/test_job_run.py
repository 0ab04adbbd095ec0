"""One attempt at a job, in this process: how jobs end, and what of them stays."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy.exc import OperationalError

import dpnp
from app.jobs import JobStatus, Spec
from app.problem import build_model
from app.store import Claim
from app.worker.job_run import JobRun
from app.worker.solve import Hooks, solve
from app.worker.watch import WorkerStoppingError
from dpnp import DivergedError, Run
from tests.app.attempts import Clock, MakeWorker, Y, add, at_step, samples, uninterrupted
from tests.app.helpers import fill, spec

S = JobStatus

pytestmark = pytest.mark.usefixtures("arviz")


def test_a_job_gives_the_posterior_of_the_library(make_worker: MakeWorker) -> None:
    worker = make_worker()
    job_id = add(worker)
    assert worker.work_once()
    job = worker.store.get(job_id)
    assert (job.status, job.progress.step, job.progress.total) == (S.SUCCEEDED, 4, 4)
    np.testing.assert_array_equal(samples(worker, job), uninterrupted(worker))
    assert not worker.work_once()


def test_only_the_measurement_and_the_result_stay(make_worker: MakeWorker) -> None:
    worker = make_worker()
    job_id = add(worker)
    worker.work_once()
    assert sorted(os.listdir(worker.files.folder(job_id))) == ["measurement.npy", "result-1"]


def test_a_cancel_during_the_last_step_wins(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make_worker(cancel_poll_seconds=60)
    job_id = add(worker)
    at_step(monkeypatch, 3, lambda run: run.store.cancel(job_id) and None)
    worker.work_once()
    assert worker.store.get(job_id).status is S.CANCELLED
    assert os.listdir(worker.files.folder(job_id)) == ["measurement.npy"]


def test_a_checkpoint_of_another_version_is_passed_over(priors_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    prior = dpnp.load_prior(priors_dir / "tiny")
    problem = Spec.model_validate(spec())
    whole = solve(problem, Y, prior).posterior.samples
    stale = dpnp.start(prior, build_model(problem.operator, prior.image_shape), torch.from_numpy(Y), n_samples=2).state_dict()
    del stale["streams"]
    assert torch.equal(solve(problem, Y, prior, checkpoint=stale).posterior.samples, whole)
    assert "passed over" in caplog.text


def test_a_diverged_chain_fails_with_its_message(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(self: Run) -> None:
        raise DivergedError("NaN after step 3 in samples [1]")

    monkeypatch.setattr(Run, "step", diverge)
    worker = make_worker()
    job_id = add(worker)
    worker.work_once()
    error = worker.store.get(job_id).error
    assert error is not None
    assert (error.type, error.detail) == ("diverged", "NaN after step 3 in samples [1]")


def test_a_prior_that_vanished_fails_with_the_known_ones(make_worker: MakeWorker) -> None:
    worker = make_worker()
    job_id = add(worker, prior="gone")
    worker.work_once()
    error = worker.store.get(job_id).error
    assert error is not None
    assert "tiny" in error.detail


def test_an_unforeseen_error_is_logged_and_told_by_its_type_alone(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Run) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(Run, "step", broken)
    worker = make_worker()
    job_id = add(worker)
    worker.work_once()
    error = worker.store.get(job_id).error
    assert error is not None
    assert "KeyError" in error.detail
    assert "secret" not in error.detail
    assert "secret" in caplog.text
    assert any(getattr(record, "job", None) == job_id for record in caplog.records)


def test_a_job_over_its_time_fails(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make_worker(job_seconds=0.2)
    job_id = add(worker)
    at_step(monkeypatch, 1, lambda run: time.sleep(0.3))
    worker.work_once()
    error = worker.store.get(job_id).error
    assert error is not None
    assert error.type == "out-of-time"


def test_the_time_limit_is_one_of_all_attempts_together(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    worker = make_worker(job_seconds=1000)
    job_id = add(worker)

    def interrupt(run: JobRun) -> None:
        clock.forward(600)
        run.worker.watcher.stopping.set()

    at_step(monkeypatch, 1, interrupt)
    worker.work_once()
    assert worker.store.get(job_id).status is S.QUEUED
    at_step(monkeypatch, 2, lambda run: clock.forward(600))
    make_worker("successor", job_seconds=1000).work_once()
    job = worker.store.get(job_id)
    assert (job.status, job.progress.step) == (S.FAILED, 2)
    assert job.error is not None
    assert job.error.type == "out-of-time"
    assert "1000 s" in job.error.detail
    assert "all its attempts together" in job.error.detail


def test_the_time_of_a_result_is_that_of_all_attempts(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    worker = make_worker()
    job_id = add(worker)

    def interrupt(run: JobRun) -> None:
        clock.forward(600)
        run.worker.watcher.stopping.set()

    at_step(monkeypatch, 1, interrupt)
    worker.work_once()
    make_worker("successor").work_once()
    summary = json.loads((worker.files.result(job_id, 2) / "result.json").read_text())
    assert 600 < summary["timings"]["total_seconds"] < 700


def test_while_a_job_waits_for_its_store_its_time_stands_still(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    worker = make_worker(job_seconds=1000)
    job_id = add(worker)
    gone, tries = OperationalError("", None, Exception("gone")), iter((1, 2))

    def lose_the_store(run: JobRun) -> None:
        raise gone

    def release(claim: Claim) -> bool:
        if next(tries) == 1:
            clock.forward(5000)
            raise gone
        return type(worker.store).release(worker.store, claim)

    monkeypatch.setattr("app.worker.job_run.OUTAGE_SECONDS", 0.01)
    monkeypatch.setattr(worker.store, "release", release)
    at_step(monkeypatch, 1, lose_the_store)
    worker.work_once()
    assert (worker.store.get(job_id).status, worker.store.get(job_id).attempt) == (S.QUEUED, 0)
    worker.work_once()
    assert worker.store.get(job_id).status is S.SUCCEEDED


def test_without_room_for_checkpoints_a_job_goes_on(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch, small_disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = make_worker(data_dir=small_disk, database_url=f"sqlite:///{tmp_path / 'store.sqlite3'}", checkpoint_every=1)
    job_id = add(worker)
    fillers: list[Path] = []
    at_step(monkeypatch, 1, lambda run: fillers.append(fill(small_disk)))
    monkeypatch.setattr(JobRun, "_publish", lambda run, solution, publish=JobRun._publish: (fillers[0].unlink(), publish(run, solution)))
    worker.work_once()
    assert worker.store.get(job_id).status is S.SUCCEEDED
    assert "the checkpoint cannot be written" in caplog.text
    assert sorted(os.listdir(worker.files.folder(job_id))) == ["measurement.npy", "result-1"]


def test_without_room_for_its_result_a_job_fails_and_leaves_nothing(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch, small_disk: Path, tmp_path: Path
) -> None:
    worker = make_worker(data_dir=small_disk, database_url=f"sqlite:///{tmp_path / 'store.sqlite3'}")
    job_id = add(worker)
    at_step(monkeypatch, 3, lambda run: fill(small_disk))
    worker.work_once()
    error = worker.store.get(job_id).error
    assert error is not None
    assert error.type == "disk-full"
    assert os.listdir(worker.files.folder(job_id)) == ["measurement.npy"]


def test_a_broken_checkpoint_is_passed_over(make_worker: MakeWorker) -> None:
    worker = make_worker()
    job_id = add(worker)
    (worker.files.folder(job_id) / "checkpoint-7.pt").write_bytes(b"PK\x03\x04 broken")
    worker.work_once()
    assert worker.store.get(job_id).status is S.SUCCEEDED


def test_solve_stops_where_a_hook_raises(priors_dir: Path) -> None:
    calls: list[int] = []

    def stop_at_the_third() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise WorkerStoppingError

    with pytest.raises(WorkerStoppingError):
        solve(Spec.model_validate(spec()), Y, dpnp.load_prior(priors_dir / "tiny"), hooks=Hooks(before_call=stop_at_the_third))
    assert len(calls) == 3
