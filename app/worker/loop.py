"""The worker's main loop: claim a job, let a :class:`app.worker.job_run.JobRun` see it through, claim the next."""

from __future__ import annotations

import logging
import threading

from app.catalogue import LoadedPriors, PriorCatalogue
from app.files import Files
from app.jobs import Job
from app.metrics import WorkerMetrics
from app.results import warm_up
from app.settings import Settings
from app.store import UNREACHABLE, Store, WorkerRow
from app.worker.job_run import OUTAGE_SECONDS, JobRun
from app.worker.watch import Watcher

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.1


class Worker:
    """One process that samples one job at a time."""

    def __init__(self, worker_id: str, settings: Settings, parent: int | None = None) -> None:
        self.id, self.settings = worker_id, settings
        self.files, self.store = Files(settings.data_dir), Store(settings.store_url)
        self.priors = LoadedPriors(PriorCatalogue(settings.priors), settings.device, settings.prior_memory_bytes, settings.precision)
        self.watcher = Watcher(self.store, settings, self._report, parent)
        self.warm_up = threading.Thread(target=warm_up, name="warm-up", daemon=True)
        self._state, self._detail = "starting", ""
        self._calls, self._seconds = 0, 0.0
        self.metrics = WorkerMetrics()

    def _report(self) -> WorkerRow:
        self._save_metrics()
        return WorkerRow(self.id, self._state, self._detail, self._calls, round(self._seconds, 3), self.priors.names)

    def main(self) -> None:
        """Load the default prior, then work until asked to stop. Raises the error that keeps it from working."""
        self.watcher.start()
        try:
            self.priors.get(self.settings.prior)
            self._announce("ready")
            log.info("worker %s is ready", self.id)
            self.warm_up.start()
            while not self.watcher.stopping.is_set():
                self._work_or_wait()
        except Exception as error:
            self._announce("broken", f"{type(error).__name__}: {error}")
            raise
        finally:
            self.watcher.end()
            self.watcher.join()
            self.files.remove_metrics(self.id)
            self.store.close()

    def _work_or_wait(self) -> None:
        try:
            if not self.work_once():
                self.watcher.stopping.wait(IDLE_SECONDS)
        except UNREACHABLE as error:
            log.warning("the job store cannot be reached: %s", error)
            self.watcher.stopping.wait(OUTAGE_SECONDS)

    def _announce(self, state: str, detail: str = "") -> None:
        self._state, self._detail = state, detail
        self.store.report_worker(self._report())

    def work_once(self) -> bool:
        """Take one job and see it through; False when none waits."""
        claim = self.store.claim(self.id, self.settings.lease_seconds)
        if claim is None:
            return False
        log.info("attempt %d starts", claim.job.attempt, extra={"job": claim.job.id})
        self.watcher.watch(claim)
        self._count_wait(claim.job)
        try:
            JobRun(self, claim).run()
        finally:
            self.watcher.watch(None)
            self._save_metrics()
        return True

    def _save_metrics(self) -> None:
        try:
            self.files.save_metrics(self.id, self.metrics.text())
        except OSError as error:  # a full disk must not cost the lease
            log.warning("the metrics cannot be written: %s", error)

    def _count_wait(self, job: Job) -> None:
        if job.attempt == 1 and job.started_at is not None:
            self.metrics.queue_seconds.observe((job.started_at - job.created_at).total_seconds())

    def count_call(self) -> None:
        """One more call of a denoiser."""
        self._calls += 1

    def count_seconds(self, seconds: float) -> None:
        """Time spent in steps."""
        self._seconds += seconds
