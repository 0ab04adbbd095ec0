"""The worker's loop in this process: how jobs end, resume and stop."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray
from PIL import Image

import dpnp
from app.catalogue import PriorCatalogue, UnknownPriorError
from app.jobs import Job, JobStatus, Spec
from app.problem import build_model
from app.results import pictures
from app.store import NewJob, new_id
from app.worker.loop import JobRun, Worker
from app.worker.solve import Hooks, solve
from app.worker.watch import WorkerStoppingError
from dpnp import DivergedError, Run
from tests.app.conftest import MakeSettings
from tests.app.helpers import fill, spec, until

S = JobStatus
Y = np.full((1, 2, 2), 0.3, dtype=np.float32)

pytestmark = pytest.mark.usefixtures("arviz")
MakeWorker = Callable[..., Worker]


@pytest.fixture
def make_worker(make_settings: MakeSettings) -> Iterator[MakeWorker]:
    made: list[Worker] = []

    def make(name: str = "w", **changes: Any) -> Worker:
        changes = {"checkpoint_every": 2, "cancel_poll_seconds": 0.02, **changes}
        worker = Worker(name, make_settings(**changes))
        worker.watcher.start()
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.watcher.end()
        worker.watcher.join()
        worker.store.close()


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


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image, dtype=float)


def uninterrupted(worker: Worker) -> np.ndarray:
    """The posterior of the plain library call."""
    prior = worker.priors.get("tiny")
    return solve(Spec.model_validate(spec()), Y, prior).posterior.samples.numpy()


def test_a_job_gives_the_posterior_of_the_library(make_worker: MakeWorker) -> None:
    worker = make_worker()
    job_id = add(worker)
    assert worker.work_once()
    job = worker.store.get(job_id)
    assert (job.status, job.progress.step, job.progress.total) == (S.SUCCEEDED, 4, 4)
    np.testing.assert_array_equal(samples(worker, job), uninterrupted(worker))
    assert not worker.work_once()


def test_the_result_files_say_what_they_promise(make_worker: MakeWorker) -> None:
    worker = make_worker()
    job_id = add(worker, n_samples=3)
    worker.work_once()
    folder = worker.files.result(job_id, 1)
    with np.load(folder / "posterior.npz") as arrays:
        found = dict(arrays)
    assert found["samples"].shape == (3, 1, 8, 8)
    np.testing.assert_allclose(found["mean"], found["samples"].mean(0), atol=1e-6)
    np.testing.assert_allclose(found["std"], found["samples"].std(0, ddof=1), atol=1e-6)
    for name, image in {"mean.png": found["mean"], "samples/2.png": found["samples"][2]}.items():
        shown = opened(folder / name) / 127.5 - 1
        np.testing.assert_allclose(shown, np.clip(image[0], -1, 1), atol=0.5 / 127.5 + 1e-6)
    assert opened(folder / "samples.png").shape == (2 * 8 + pictures.GAP, 2 * 8 + pictures.GAP)
    assert min(opened(folder / "std.png").shape[:2]) > 300
    assert opened(folder / "measurement.png").shape == (2, 2)
    with xarray.open_dataset(folder / "posterior.nc", group="posterior") as data:
        np.testing.assert_array_equal(data["x"].to_numpy().reshape(3, 1, 8, 8), found["samples"])


def test_the_summary_makes_the_result_reproducible(make_worker: MakeWorker) -> None:
    worker = make_worker()
    job_id = add(worker, operator={"name": "super_resolution"}, seed=7, n_samples=1, prior="tiny")
    worker.work_once()
    if worker.store.get(job_id).status is S.FAILED:
        pytest.fail(str(worker.store.get(job_id).error))
    summary = json.loads((worker.files.result(job_id, 1) / "result.json").read_text())
    assert {"name": "super_resolution", "factor": 4, "noise_std": 0.1}.items() <= summary["operator"].items()
    assert summary["sampler"]["n_iterations"] == 4
    assert (summary["seed"], summary["nfe"], summary["n_samples"], summary["device"]) == (7, 8, 1, "cpu")
    assert summary["versions"]["torch"] == str(torch.__version__)
    assert summary["timings"]["total_seconds"] > 0
    assert all(math.isfinite(value) for value in summary["diagnostics"].values())
    assert {"mean.png", "std.png", "samples.png", "samples/0.png", "posterior.npz", "posterior.nc"} <= set(summary["files"])


def test_only_the_measurement_and_the_result_stay(make_worker: MakeWorker) -> None:
    worker = make_worker()
    job_id = add(worker)
    worker.work_once()
    assert sorted(os.listdir(worker.files.folder(job_id))) == ["measurement.npy", "result-1"]


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


def test_priors_are_offered_by_name_and_broken_ones_left_out(tmp_path: Path, priors_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "priors"
    (folder / "broken").mkdir(parents=True)
    (folder / "broken" / "card.json").write_text("{")
    (folder / "mine").symlink_to(priors_dir / "tiny")
    catalogue = PriorCatalogue(folder)
    names = [info.name for info in catalogue.all()]
    assert "mine" in names
    assert "broken" not in names
    assert "broken" in caplog.text
    with pytest.raises(UnknownPriorError, match="mine"):
        catalogue.get("broken")


def test_a_picture_of_nan_is_an_error() -> None:
    with pytest.raises(ValueError, match="NaN"):
        pictures.to_bytes(np.full((1, 2, 2), np.nan))


def test_pictures_map_the_scale_to_eight_bits() -> None:
    values = np.array([[[-1, 1], [0, -5]]], dtype=np.float32)
    np.testing.assert_array_equal(pictures.to_bytes(values), [[0, 255], [128, 0]])
    assert pictures.to_bytes(np.zeros((3, 2, 5))).shape == (2, 5, 3)
