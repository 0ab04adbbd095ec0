"""A thread beside the sampler: it keeps the lease alive and looks for reasons to stop."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from app.jobs import JobStatus
from app.settings import Settings
from app.store import Claim, Store, WorkerRow

log = logging.getLogger(__name__)


class InterruptedJobError(Exception):
    """The job must stop before its end."""


class CancelRequestedError(InterruptedJobError):
    """Somebody cancelled the job."""


class LeaseLostError(InterruptedJobError):
    """Another worker has the job, or it is gone; nothing may be written any more."""


class WorkerStoppingError(InterruptedJobError):
    """The worker is asked to stop; the job goes back to the queue with its checkpoint."""


class OutOfTimeError(InterruptedJobError):
    """The job ran into its time limit."""


class Watcher(threading.Thread):
    """Polls the store for the job at hand and reports the worker. ``check`` raises in the sampling thread."""

    def __init__(self, store: Store, settings: Settings, report: Callable[[], WorkerRow], parent: int | None) -> None:
        super().__init__(name="watcher", daemon=True)
        self._store, self._settings, self._report, self._parent = store, settings, report, parent
        self._claim: Claim | None = None
        self._deadline = float("inf")
        self._reason: InterruptedJobError | None = None
        self._next_renewal = 0.0
        self._lock = threading.Lock()  # a finding about one claim must not stop the next
        self._ended = threading.Event()
        self.stopping = threading.Event()

    def watch(self, claim: Claim | None) -> None:
        """From now on, look after this claim."""
        limit = self._settings.job_seconds
        with self._lock:
            self._reason = None
            self._deadline = time.monotonic() + limit if limit and claim else float("inf")
            self._claim = claim

    def check(self) -> None:
        """Raise when the job must stop. Cheap: it looks at what the thread has found."""
        if self._reason is not None:
            raise self._reason
        if self.stopping.is_set():
            raise WorkerStoppingError
        if time.monotonic() > self._deadline:
            raise OutOfTimeError

    def end(self) -> None:
        """Stop the thread."""
        self._ended.set()

    def run(self) -> None:
        """The thread's loop."""
        while not self._ended.wait(self._settings.cancel_poll_seconds):
            if self._parent is not None and os.getppid() != self._parent:
                self.stopping.set()
            try:
                self._look()
            except Exception:  # a busy database must not end the watch; the lease decides
                log.warning("the store cannot be reached", exc_info=True)

    def _look(self) -> None:
        claim = self._claim
        due = time.monotonic() >= self._next_renewal
        if due:
            self._store.report_worker(self._report())
            self._next_renewal = time.monotonic() + min(self._settings.lease_seconds / 3, 5)
        if claim is None:
            return
        if due:
            self._store.renew(claim, self._settings.lease_seconds)
        status = self._store.held(claim)
        with self._lock:
            if claim is self._claim and status is not JobStatus.RUNNING:
                self._reason = LeaseLostError() if status is None else CancelRequestedError()
