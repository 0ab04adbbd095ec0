"""One attempt at one job, from its claim to its end; everything that is written carries the claim's token."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import dpnp
import operators
from app.catalogue import UnknownPriorError
from app.files import is_disk_full
from app.jobs import JobError
from app.problem import SpecError
from app.results import write_result
from app.store import UNREACHABLE, Claim
from app.worker.memory import is_out_of_memory, out_of_memory
from app.worker.metered import MeteredPrior
from app.worker.running_mean import RunningMean
from app.worker.solve import Hooks, Solution, solve
from app.worker.watch import CancelRequestedError, LeaseLostError, OutOfTimeError, WorkerStoppingError, out_of_time
from dpnp import Run
from dpnp.priors import largest_batch

if TYPE_CHECKING:
    from app.worker.loop import Worker

log = logging.getLogger(__name__)

OUTAGE_SECONDS = 1.0
USER_ERRORS = (dpnp.DPnPError, operators.OperatorError, SpecError, UnknownPriorError)


class JobRun:
    """One claim from its first step to its end."""

    def __init__(self, worker: Worker, claim: Claim) -> None:
        self.worker, self.claim = worker, claim
        self.job, self.token = claim.job, claim.token
        self.store, self.files = worker.store, worker.files
        self._mean = RunningMean(self.files, self.job.id, self.token)
        self._snapshot: dict[str, Any] | None = None
        self._step_started = time.perf_counter()

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
        y, stored = self.files.measurement(self.job.id), self.files.stored(self.job.id)
        solution = solve(spec, y, metered, stored=stored, batch_size=batch_size, checkpoint=checkpoint, hooks=hooks)
        metered.collect()  # the samples are on the host: all calls have ended
        return solution

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
        seconds = self.claim.running.seconds
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
        """Wait for the store, then give the job back, so that it goes on from its checkpoint. Neither the attempt nor the time counts."""
        self.claim.running.stop()
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
