"""A thread beside the sampler: it keeps the lease alive and looks for reasons to stop."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from app.jobs import JobError, JobStatus
from app.settings import Settings
from app.store import Claim, Store, WorkerRow

STUCK = 4  # exit status

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


def out_of_time(limit: float | None) -> JobError:
    """Why a job failed that ran for longer than ``limit`` seconds."""
    detail = f"the job ran for longer than the {limit:g} s that this service allows, all its attempts together"
    return JobError(type="out-of-time", title="Time limit reached", detail=detail)


class Watcher(threading.Thread):
    """Polls the store for the job at hand and reports the worker. ``check`` raises in the sampling thread."""

    def __init__(self, store: Store, settings: Settings, report: Callable[[], WorkerRow], parent: int | None) -> None:
        super().__init__(name="watcher", daemon=True)
        self._store, self._settings, self._report, self._parent = store, settings, report, parent
        self._claim: Claim | None = None
        self._reason: InterruptedJobError | None = None
        self._next_renewal = 0.0
        self._unheeded_since: float | None = None
        self._outage = False
        self._lock = threading.Lock()  # a finding about one claim must not stop the next
        self._ended = threading.Event()
        self.stopping = threading.Event()

    def watch(self, claim: Claim | None) -> None:
        """From now on, look after this claim."""
        with self._lock:
            self._reason, self._claim = None, claim

    def check(self) -> None:
        """Raise when the job must stop. Cheap: it looks at what the thread has found."""
        if self._reason is not None:
            raise self._reason
        if self.stopping.is_set():
            raise WorkerStoppingError
        if self._late(self._claim):
            raise OutOfTimeError

    def _late(self, claim: Claim | None) -> bool:
        limit = self._settings.job_seconds
        return limit is not None and claim is not None and claim.running.seconds > limit

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
                self._end_if_stuck()
                self._outage = False
            except Exception as error:  # must not end the watch; the lease decides
                if not self._outage:
                    log.warning("the job store cannot be reached: %s", error)
                self._outage = True

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

    def _end_if_stuck(self) -> None:
        """End the process when the sampler does not heed its reason to stop: a call that never returns would hold the job for ever."""
        claim, now = self._claim, time.monotonic()
        late = self._late(claim)
        if claim is None or not (late or self._reason):
            self._unheeded_since = None
            return
        self._unheeded_since = self._unheeded_since or now
        if now - self._unheeded_since < self._settings.stuck_seconds:
            return
        log.error("the sampler does not stop; the worker ends itself", extra={"job": claim.job.id})
        if late:
            self._store.fail(claim, out_of_time(self._settings.job_seconds))
        os._exit(STUCK)
