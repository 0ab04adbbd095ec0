"""Where jobs run: one seam. Here the embedded engine, worker processes on this host."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.files import Files
from app.settings import Settings
from app.store import Store, is_locked

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
HOUSEKEEPING_SECONDS = 5.0
SWEEP_SECONDS = 600.0
ORPHAN_SECONDS = 3600.0
LONGEST_BACKOFF = 30.0


class Engine(Protocol):
    """Runs the jobs that the store holds. It needs nothing from the API, and the API nothing but this from it."""

    def start(self) -> None:
        """Begin to work; returns at once. Once started, nothing more happens."""
        ...

    def stop(self) -> None:
        """Stop working; running jobs are checkpointed and queued again. Once stopped, nothing more happens."""
        ...


@dataclass
class _Slot:
    """A place for one worker process, which is started again when it dies."""

    worker_id: str = ""
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    backoff: float = 0.5
    started: float = field(default_factory=time.monotonic)


class EmbeddedEngine:
    """``settings.workers`` processes on this host, watched by a thread that also keeps the store tidy."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files, self._store = Files(settings.data_dir), Store(settings.store_url)
        self._slots = [_Slot() for _ in range(settings.workers)]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._next_housekeeping = self._next_sweep = 0.0

    def start(self) -> None:
        """Start the thread that starts the workers."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Ask the workers to checkpoint and end; kill those that do not within ``shutdown_seconds``."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        processes = [slot.process for slot in self._slots if slot.process is not None]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + self._settings.shutdown_seconds
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for slot in self._slots:
            self._bury(slot)
        self._store.close()

    @property
    def pids(self) -> list[int]:
        """The worker processes."""
        return [slot.process.pid for slot in self._slots if slot.process is not None]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                for slot in self._slots:
                    self._tend(slot)
                if time.monotonic() >= self._next_housekeeping:
                    self._next_housekeeping = time.monotonic() + HOUSEKEEPING_SECONDS
                    self._keep_house()
            except Exception as error:  # the store may be busy for a while; the engine must outlive that
                log.exception("the engine could not do its rounds")
                if is_locked(error):
                    self._kill_stopped()
            self._stopping.wait(POLL_SECONDS)

    def _tend(self, slot: _Slot) -> None:
        if slot.process is not None and slot.process.poll() is not None:
            log.error("worker %s ended with status %s", slot.worker_id, slot.process.returncode)
            lived = time.monotonic() - slot.started
            slot.backoff = 0.5 if lived > LONGEST_BACKOFF else min(slot.backoff * 2, LONGEST_BACKOFF)
            slot.start_at = time.monotonic() + slot.backoff
            self._bury(slot)
        if slot.process is None and time.monotonic() >= slot.start_at:
            self._spawn(slot)

    def _kill_stopped(self) -> None:
        """End the workers that somebody stopped: one of them may hold the store's write lock, which keeps all other processes waiting."""
        for slot in self._slots:
            if slot.process is not None and _is_stopped(slot.process):
                log.error("worker %s is stopped while the store is locked; it is killed", slot.worker_id)
                slot.process.kill()

    def _spawn(self, slot: _Slot) -> None:
        slot.worker_id = f"{os.getpid()}-{secrets.token_hex(4)}"
        root = str(Path(__file__).parent.parent)
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "app.worker", "--id", slot.worker_id, "--parent", str(os.getpid())]
        # A session of its own: Ctrl-C reaches this process alone, which then stops the workers in good order.
        environment = {**os.environ, **self._settings.environment(), "PYTHONPATH": path}
        slot.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
        slot.started = time.monotonic()

    def _bury(self, slot: _Slot) -> None:
        slot.process = None
        self._store.forget_worker(slot.worker_id)
        self._files.remove_metrics(slot.worker_id)
        for job in self._store.recover(self._settings.max_attempts, [slot.worker_id]):
            log.warning("its worker died; the job is now %s", job.status, extra={"job": job.id})

    def _keep_house(self) -> None:
        for job in self._store.recover(self._settings.max_attempts):
            log.warning("its lease ran out; the job is now %s", job.status, extra={"job": job.id})
        if self._settings.retention_hours is not None:
            for job_id in self._store.delete_older_than(self._settings.retention_hours * 3600):
                self._files.remove(job_id)
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + SWEEP_SECONDS
            self._files.remove_orphans(self._store.ids(), ORPHAN_SECONDS)


def _is_stopped(process: subprocess.Popen[bytes]) -> bool:
    """Whether the child was stopped by a signal and not continued since (False where the system cannot tell)."""
    if not hasattr(os, "waitid"):
        return False
    try:
        return os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False
