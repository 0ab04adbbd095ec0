"""Files under ``DPNP_DATA_DIR``: one folder per job, every name made by the server, every file complete before it has its name.

- ``jobs/<id>/measurement.npy``
- ``jobs/<id>/stored.npz``: what was kept beside the measurement, such as a mask, if anything was
- ``jobs/<id>/checkpoint-<token>.pt``: the sampler's state, written by the holder of that lease
- ``jobs/<id>/batch-size``: images per denoiser call, once memory was too small for all
- ``jobs/<id>/mean-<token>.png``: the mean of the samples while the job runs
- ``jobs/<id>/result-<token>/``: the result of the lease that succeeded
- ``metrics/<worker>.prom``: what a living worker measures
"""

from __future__ import annotations

import errno
import os
import pickle
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

MEASUREMENT = "measurement.npy"
STORED = "stored.npz"
BATCH_SIZE = "batch-size"

RESULT_FILES = {
    "mean.png": "image/png",
    "std.png": "image/png",
    "samples.png": "image/png",
    "measurement.png": "image/png",
    "kernel.png": "image/png",
    "kernels.png": "image/png",
    "posterior.npz": "application/zip",
    "posterior.nc": "application/x-netcdf",
}
"""Name -> media type of what a result holds beside ``result.json`` and the samples."""


def sample_name(index: int) -> str:
    """The file of one sample in a result."""
    return f"samples/{index}.png"


def is_disk_full(error: BaseException) -> bool:
    """True for what is raised when a disk or a quota is full: by the system, by libraries in its words, by SQLite in its own."""
    words = ("No space left on device", "disk is full")
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(w in str(error) for w in words)


class Files:
    """The files of all jobs."""

    def __init__(self, data_dir: Path) -> None:
        self.jobs, self._metrics = data_dir / "jobs", data_dir / "metrics"
        for folder in (self.jobs, self._metrics):
            folder.mkdir(parents=True, exist_ok=True)

    def folder(self, job_id: str) -> Path:
        """Everything of one job."""
        return self.jobs / job_id

    def check_room(self, wanted: int) -> None:
        """Raise the ``OSError`` of a full disk unless ``wanted`` bytes are free: running jobs and the database need room too."""
        free = shutil.disk_usage(self.jobs).free
        if free < wanted:
            raise OSError(errno.ENOSPC, f"{free} bytes are free, expected at least {wanted}", str(self.jobs))

    def create(self, job_id: str, measurement: np.ndarray, stored: Mapping[str, np.ndarray] | None = None) -> None:
        """Keep a new job's measurement and what was ``stored`` beside it, such as a mask. On an error nothing stays."""
        folder = self.folder(job_id)
        try:
            folder.mkdir()
            with open(folder / MEASUREMENT, "wb") as stream:
                np.save(stream, measurement, allow_pickle=False)
                _sync(stream.fileno())
            if stored:
                with open(folder / STORED, "wb") as stream:
                    np.savez(stream, **stored)  # type: ignore[arg-type]  # none is called allow_pickle
                    _sync(stream.fileno())
            _sync_folders(folder, self.jobs)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def measurement(self, job_id: str) -> np.ndarray:
        """The measurement as it was kept."""
        return np.load(self.folder(job_id) / MEASUREMENT, allow_pickle=False)

    def stored(self, job_id: str) -> dict[str, np.ndarray]:
        """What was kept beside the measurement."""
        path = self.folder(job_id) / STORED
        if not path.exists():
            return {}
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)

    def remove(self, job_id: str) -> None:
        """Delete the job's files; no error when there are none."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def remove_orphans(self, known: set[str], older_than: float) -> list[str]:
        """Delete folders that belong to no job and have not changed for ``older_than`` seconds; returns their names."""
        limit = time.time() - older_than
        orphans = [path.name for path in self.jobs.iterdir() if path.name not in known and path.stat().st_mtime < limit]
        for name in orphans:
            self.remove(name)
        return orphans

    # Checkpoints

    def save_checkpoint(self, job_id: str, token: int, state: dict[str, Any]) -> None:
        """Replace this lease's checkpoint in one rename. On an error, such as a full disk, the former one stays and nothing else."""
        import torch  # here, because it takes seconds: the engine starts its workers before

        path = self.folder(job_id) / f"checkpoint-{token}.pt"
        partial = path.with_suffix(".partial")
        try:
            with open(partial, "wb") as stream:
                torch.save(state, stream)
                _sync(stream.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def load_checkpoint(self, job_id: str) -> dict[str, Any] | None:
        """The checkpoint of the latest lease that left a readable one."""
        import torch

        for path in sorted(self.folder(job_id).glob("checkpoint-*.pt"), key=_token, reverse=True):
            try:
                return torch.load(path, weights_only=True)
            except (OSError, RuntimeError, EOFError, BadZipFile, pickle.UnpicklingError):
                continue
        return None

    # While it runs

    def limit_batch(self, job_id: str, size: int) -> None:
        """From now on, this job's denoiser is called on at most ``size`` images at a time."""
        _replace(self.folder(job_id) / BATCH_SIZE, str(size).encode())

    def batch_size(self, job_id: str) -> int | None:
        """The limit, if there is one."""
        path = self.folder(job_id) / BATCH_SIZE
        return int(path.read_text()) if path.exists() else None

    def save_running_mean(self, job_id: str, token: int, write: Callable[[Path], None]) -> None:
        """Replace this lease's picture by what ``write`` writes, in one rename."""
        path = self._running_mean(job_id, token)
        partial = path.with_name(f"partial-{path.name}")
        write(partial)
        os.replace(partial, path)

    def running_mean(self, job_id: str, token: int) -> bytes | None:
        """The picture, a PNG, if there is one."""
        try:
            return self._running_mean(job_id, token).read_bytes()
        except FileNotFoundError:
            return None

    def drop_running_mean(self, job_id: str, token: int) -> None:
        """Delete this lease's picture; no error when there is none."""
        self._running_mean(job_id, token).unlink(missing_ok=True)

    def _running_mean(self, job_id: str, token: int) -> Path:
        return self.folder(job_id) / f"mean-{token}.png"

    # Results

    def result(self, job_id: str, token: int) -> Path:
        """The folder of the result that this lease produced."""
        return self.folder(job_id) / f"result-{token}"

    def begin_result(self, job_id: str, token: int) -> Path:
        """An empty folder to write a result into."""
        partial = self.folder(job_id) / f"result-{token}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        return partial

    def publish_result(self, job_id: str, token: int) -> None:
        """Give the complete result its name."""
        partial = self.folder(job_id) / f"result-{token}.partial"
        for path in (p for p in partial.rglob("*") if p.is_file()):
            with open(path, "rb") as stream:
                _sync(stream.fileno())
        _sync_folders(partial, *(p for p in partial.rglob("*") if p.is_dir()))
        os.rename(partial, self.result(job_id, token))
        _sync_folders(self.folder(job_id))

    def tidy(self, job_id: str, token: int | None) -> None:
        """Drop the checkpoints, running means and half-written results of a finished job, and all results but this lease's."""
        keep = None if token is None else self.result(job_id, token)
        for pattern in ("checkpoint-*", "*mean-*.png", f"*{BATCH_SIZE}"):
            for path in self.folder(job_id).glob(pattern):
                path.unlink(missing_ok=True)
        for path in self.folder(job_id).glob("result-*"):
            if path != keep:
                shutil.rmtree(path, ignore_errors=True)

    # Workers

    def save_metrics(self, worker: str, text: bytes) -> None:
        """Replace what a worker measures."""
        _replace(self._worker_metrics(worker), text)

    def metrics(self, worker: str) -> str:
        """What a worker measures; nothing when it has not said."""
        try:
            return self._worker_metrics(worker).read_text()
        except FileNotFoundError:
            return ""

    def remove_metrics(self, worker: str) -> None:
        """The worker is gone."""
        self._worker_metrics(worker).unlink(missing_ok=True)

    def _worker_metrics(self, worker: str) -> Path:
        return self._metrics / f"{re.sub(r'[^A-Za-z0-9._-]', '_', worker)}.prom"


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new."""
    partial = path.with_name(f"partial-{threading.get_ident()}-{path.name}")
    partial.write_bytes(content)
    os.replace(partial, path)


def _token(path: Path) -> int:
    return int(path.stem.removeprefix("checkpoint-"))


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)


def _sync_folders(*folders: Path) -> None:
    """Keep the names in the folders over a loss of power."""
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)
