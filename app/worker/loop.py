"""The worker's main loop: claim a job, run it, write its result; everything that is written carries the claim's token."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import dpnp
import operators
from app.catalogue import LoadedPriors, PriorCatalogue, UnknownPriorError
from app.files import Files, is_disk_full
from app.jobs import Job, JobError
from app.metrics import WorkerMetrics
from app.problem import SpecError
from app.results import warm_up, write_result
from app.settings import Settings
from app.store import UNREACHABLE, Claim, Store, WorkerRow
from app.worker.memory import is_out_of_memory, out_of_memory
from app.worker.metered import MeteredPrior
from app.worker.running_mean import RunningMean
from app.worker.solve import Hooks, Solution, solve
from app.worker.watch import CancelRequestedError, LeaseLostError, OutOfTimeError, Watcher, WorkerStoppingError, out_of_time
from dpnp import Run
from dpnp.priors import largest_batch

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.1
OUTAGE_SECONDS = 1.0
USER_ERRORS = (dpnp.DPnPError, operators.OperatorError, SpecError, UnknownPriorError)


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


class JobRun:
    """One claim from its first step to its end."""

    def __init__(self, worker: Worker, claim: Claim) -> None:
        self.worker, self.claim = worker, claim
        self.job, self.token = claim.job, claim.token
        self.store, self.files = worker.store, worker.files
        self._mean = RunningMean(self.files, self.job.id, self.token)
        self._snapshot: dict[str, Any] | None = None
        self._started = self._step_started = time.perf_counter()

    def run(self) -> None:
        """Run the job and record how it ended."""
        try:
            solution = self._solve()
            self._publish(solution)
        except LeaseLostError:
            self.files.drop_running_mean(self.job.id, self.token)
            self._log("the lease was lost; another worker has the job")
        except CancelRequestedError:
            self._end(self.store.cancelled(self.claim), "cancelled")
        except WorkerStoppingError:
            self._give_back()
        except OutOfTimeError:
            self._fail(out_of_time(self.worker.settings.job_seconds))
        except USER_ERRORS as error:
            self._fail(JobError(type=_slug(type(error).__name__), title="The job cannot be sampled", detail=str(error)))
        except UNREACHABLE:
            log.warning("the job store cannot be reached; the job waits for it", extra={"job": self.job.id})
            self._outlast()
        except Exception as error:
            if is_out_of_memory(error):
                return self._relent(error)
            log.exception("the job failed", extra={"job": self.job.id})
            self._fail(_unexpected(error))

    def _solve(self) -> Solution:
        spec = self.job.spec
        prior = self.worker.priors.get(spec.prior or self.worker.settings.prior)
        checkpoint = self.files.load_checkpoint(self.job.id)
        if checkpoint is not None:
            self._log("resumes from a checkpoint")
        hooks = Hooks(before_call=self._before_call, after_step=self._after_step)
        self._step_started = time.perf_counter()
        batch_size = largest_batch(prior, self.files.batch_size(self.job.id) or spec.n_samples)
        metered = MeteredPrior(prior, self.worker.metrics)
        return solve(spec, self.files.measurement(self.job.id), metered, batch_size=batch_size, checkpoint=checkpoint, hooks=hooks)

    def _before_call(self) -> None:
        self.worker.watcher.check()
        self.worker.count_call()

    def _after_step(self, run: Run) -> None:
        self.worker.count_seconds(time.perf_counter() - self._step_started)
        self._mean.show(run.current)  # first, so that whoever hears of the progress finds the picture
        if not self.store.progress(self.claim, run.step_index, run.total):
            raise LeaseLostError
        # The snapshot is taken between steps: within one, the random streams are ahead of the chains.
        self._snapshot = run.state_dict()
        if not run.done and run.step_index % self.worker.settings.checkpoint_every == 0:
            self._checkpoint()
        self.worker.watcher.check()
        self._step_started = time.perf_counter()

    def _checkpoint(self) -> None:
        if self._snapshot is None:
            return
        try:
            self.files.save_checkpoint(self.job.id, self.token, self._snapshot)
        except (OSError, RuntimeError) as error:  # torch's writer makes a RuntimeError of a full disk
            log.warning("the checkpoint cannot be written: %s", error, extra={"job": self.job.id})

    def _publish(self, solution: Solution) -> None:
        if self.worker.warm_up.ident is not None:
            self.worker.warm_up.join()
        folder = self.files.begin_result(self.job.id, self.token)
        seconds = time.perf_counter() - self._started
        write_result(folder, self.job.spec, self.files.measurement(self.job.id), solution, seconds)
        self.files.publish_result(self.job.id, self.token)
        if self.store.succeed(self.claim):
            self.files.tidy(self.job.id, self.token)
            self._log(f"succeeded in {seconds:.1f} s")
        else:
            self._end(self.store.cancelled(self.claim), "cancelled at the end")

    def _relent(self, error: Exception) -> None:
        """Out of memory: once, try with half as many images per denoiser call. The worker ends, which gives its memory back."""
        log.warning("out of memory: %s", error, extra={"job": self.job.id})
        self.worker.watcher.stopping.set()
        n_samples, tried = self.job.spec.n_samples, self.files.batch_size(self.job.id)
        if tried is None and n_samples > 1:
            self.files.limit_batch(self.job.id, (n_samples + 1) // 2)
            self._give_back()
        else:
            self._fail(out_of_memory(n_samples, tried))

    def _give_back(self) -> None:
        self._checkpoint()
        if self.store.release(self.claim):
            self._log("goes back to the queue: the worker stops")
        else:
            self._end(self.store.cancelled(self.claim), "cancelled")

    def _outlast(self) -> None:
        """Wait for the store, then give the job back, so that it goes on from its checkpoint. The attempt does not count."""
        while not self.worker.watcher.stopping.wait(OUTAGE_SECONDS):
            try:
                return self._give_back()
            except UNREACHABLE:
                continue

    def _fail(self, error: JobError) -> None:
        if not self.store.fail(self.claim, error):
            self._end(self.store.cancelled(self.claim), "cancelled")
            return
        self._end(True, f"failed: {error.detail}")

    def _end(self, recorded: bool, what: str) -> None:
        if recorded:
            self.files.tidy(self.job.id, None)
            self._log(what)

    def _log(self, message: str) -> None:
        log.info(message, extra={"job": self.job.id})


def _unexpected(error: Exception) -> JobError:
    """Its type alone: a message may hold what is nobody's business."""
    if is_disk_full(error):
        return JobError(type="disk-full", title="The disk is full", detail="the service had no room left for this job's files")
    detail = f"{type(error).__name__}; the service's log has the details"
    return JobError(type="internal-error", title="Unexpected error", detail=detail)


def _slug(name: str) -> str:
    """DivergedError -> diverged."""
    words = "".join(f"-{c.lower()}" if c.isupper() else c for c in name.removesuffix("Error"))
    return words.strip("-")
