"""What ``wait`` shows while it waits."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self

from dpnp_client.models import JobInfo


class Display(Protocol):
    """Shows a job as it goes on; a context manager."""

    def show(self, job: JobInfo) -> None:
        """The job as it now stands."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Silent:
    """Shows nothing."""

    def show(self, job: JobInfo) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Bar:
    """A tqdm bar: state, or place in the queue, and steps."""

    def __init__(self) -> None:
        self._bar: Any = None

    def show(self, job: JobInfo) -> None:
        """Move the bar to the job's step."""
        if self._bar is None:
            return
        if job.progress.total:
            self._bar.total = job.progress.total
        self._bar.n = job.progress.step
        self._bar.set_description_str(_description(job), refresh=False)
        self._bar.refresh()

    def __enter__(self) -> Self:
        from tqdm.auto import tqdm

        self._bar = tqdm(total=None, unit="step", dynamic_ncols=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def _description(job: JobInfo) -> str:
    return f"queued, place {job.queue_position}" if job.status == "queued" and job.queue_position else job.status


def display_for(progress: bool) -> Display:
    """The bar, or nothing."""
    return Bar() if progress else Silent()
