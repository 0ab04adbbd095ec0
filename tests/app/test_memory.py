"""Out of memory: the worker starts anew, the job is tried with half its batch, then fails clearly. With a real limit on memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dpnp
from app.files import Files
from app.jobs import Job, Spec
from app.store import NewJob, Store
from app.worker.memory import is_out_of_memory, out_of_memory
from app.worker.solve import solve
from tests.app.conftest import MakeSettings
from tests.app.helpers import ROOT, spec

MIB = 2**20
LIMIT = 2048 * MIB
Y = np.full((1, 2, 2), 0.3, dtype=np.float32)

HUNGRY_WORKER = """
import sys
import torch
from app.catalogue import LoadedPriors
from app.logs import set_up_logging
from app.settings import Settings
from app.worker import memory
from app.worker.loop import IDLE_SECONDS, Worker
from app.worker.metered import MeteredPrior

class Hungry(MeteredPrior):
    def denoise(self, x, sigma):
        torch.zeros(len(x) * int(sys.argv[1]), dtype=torch.uint8)
        return super().denoise(x, sigma)

settings = Settings()
set_up_logging("info", "text")
memory.limit_memory(settings.memory_bytes)
worker = Worker("hungry", settings)
get = worker.priors.get
worker.priors.get = lambda name: Hungry(get(name), worker.metrics)
worker.watcher.start()
while worker.work_once():
    if worker.watcher.stopping.is_set():
        print("ends")
        break
worker.watcher.end()
"""


class Bench:
    """A queue and a worker whose denoiser takes ``per_image`` bytes for every image."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.files, self.store = Files(settings.data_dir), Store(settings.store_url)

    def add(self, job_id: str, n_samples: int) -> None:
        self.files.create(job_id, Y)
        self.store.insert(NewJob(job_id, Spec.model_validate(spec(n_samples=n_samples))), max_queue=10)

    def work(self, per_image: int) -> str:
        environment = {**os.environ, **self.settings.environment(), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-c", HUNGRY_WORKER, str(per_image)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def job(self, job_id: str) -> Job:
        return self.store.get(job_id)


@pytest.fixture
def bench(make_settings: MakeSettings) -> Any:
    bench = Bench(make_settings(memory_bytes=LIMIT))
    yield bench
    bench.store.close()


def test_a_job_that_fits_in_halves_succeeds_at_the_second_try(bench: Bench, priors_dir: Path) -> None:
    bench.add("a", n_samples=6)
    said = bench.work(per_image=LIMIT // 6)
    assert "out of memory" in said
    assert "ends" in said
    assert (bench.job("a").status, bench.job("a").attempt, bench.files.batch_size("a")) == ("queued", 0, 3)
    assert "ends" not in bench.work(per_image=LIMIT // 6)
    job, token = bench.store.get_with_token("a")
    assert job.status == "succeeded"
    whole = solve(Spec.model_validate(spec(n_samples=6)), Y, dpnp.load_prior(priors_dir / "tiny")).posterior.samples
    with np.load(bench.files.result("a", token) / "posterior.npz") as arrays:
        np.testing.assert_allclose(arrays["samples"], whole, atol=1e-4)
    assert sorted(path.name for path in bench.files.folder("a").iterdir()) == ["measurement.npy", f"result-{token}"]


def test_a_job_that_does_not_fit_in_halves_fails_with_the_reason(bench: Bench) -> None:
    bench.add("a", n_samples=6)
    bench.files.limit_batch("a", 3)
    assert "ends" in bench.work(per_image=LIMIT)
    error = bench.job("a").error
    assert error is not None
    assert (bench.job("a").status, error.type) == ("failed", "out-of-memory")
    assert "6 images at a time, and 3 at a time" in error.detail
    assert "one image at a time" in out_of_memory(1, None).detail


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."), True),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_the_end_of_memory_is_told_from_other_errors(error: Exception, full: bool) -> None:
    assert is_out_of_memory(error) is full


def test_torch_says_it_in_these_words() -> None:
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**60)
    assert is_out_of_memory(found.value)
