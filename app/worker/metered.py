"""A prior whose calls are measured, without waiting for any of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from app.metrics import WorkerMetrics
from dpnp import Prior
from dpnp.priors.wrapped import WrappedPrior


class Mark(Protocol):
    """A moment in a device's work, as ``torch.cuda.Event`` has it: when it is made it may still be ahead."""

    def query(self) -> bool:
        """Whether it is past."""
        ...

    def elapsed_time(self, end: Any, /) -> float:
        """Milliseconds from here to ``end``. Both must be past."""
        ...


class HostMark:
    """Now: a call that has returned is done."""

    def __init__(self) -> None:
        self._seconds = time.perf_counter()

    def query(self) -> bool:
        return True

    def elapsed_time(self, end: HostMark, /) -> float:
        return 1000 * (end._seconds - self._seconds)


def cuda_mark(device: torch.device) -> torch.cuda.Event:
    """When the GPU has done what it has been asked for until now."""
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event


def marks_of(device: torch.device) -> Callable[[], Mark]:
    """What makes the marks of a device."""
    return partial(cuda_mark, device) if device.type == "cuda" else HostMark


class MeteredPrior(WrappedPrior):
    """``prior`` with the time and size of every call told to ``metrics``: the time once it is known, which on a GPU is after the call."""

    def __init__(self, prior: Prior, metrics: WorkerMetrics) -> None:
        super().__init__(prior)
        self._metrics, self._mark = metrics, marks_of(prior.device)
        self._unknown: deque[tuple[Mark, Mark]] = deque()

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x]; see :class:`dpnp.priors.base.Prior`."""
        begin = self._mark()
        denoised = self._prior.denoise(x, sigma)
        self._unknown.append((begin, self._mark()))
        self._metrics.batch_size.observe(len(x))
        self.collect()
        return denoised

    def collect(self) -> None:
        """Tell the times that are known by now. Calls end in the order of their asking."""
        while self._unknown and self._unknown[0][1].query():
            begin, end = self._unknown.popleft()
            self._metrics.denoiser_seconds.observe(begin.elapsed_time(end) / 1000)
