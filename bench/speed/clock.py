"""Time on a device that works behind the host's back."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from dpnp import Prior
from dpnp.priors.wrapped import WrappedPrior

MATRIX_SIDE = {"cuda": 8192, "cpu": 1024}


def wait(device: torch.device) -> None:
    """Until all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_per_call(work: Callable[[], object], device: torch.device, at_least: float, warm_up: int = 2) -> float:
    """Mean time of ``work`` over as many calls as fill ``at_least`` seconds, three or more, after ``warm_up`` calls."""
    for _ in range(warm_up):
        work()
    wait(device)
    started, calls = time.perf_counter(), 0
    while calls < 3 or time.perf_counter() - started < at_least:
        work()
        calls += 1
        wait(device)
    return (time.perf_counter() - started) / calls


def peak_flops(device: torch.device, dtype: torch.dtype, at_least: float) -> float:
    """Operations per second of a large matrix product in ``dtype``: what the device can do in practice."""
    n = MATRIX_SIDE[device.type]
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    return 2 * n**3 / seconds_per_call(lambda: a @ b, device, at_least)


class TimedPrior(WrappedPrior):
    """``prior`` with the time spent in its denoiser, which the host does not wait for."""

    def __init__(self, prior: Prior) -> None:
        super().__init__(prior)
        self._spans: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """Time in the denoiser so far; waits for the device."""
        wait(self.device)
        return self._seconds + sum(start.elapsed_time(end) for start, end in self._spans) / 1000

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The prior's answer."""
        if self.device.type == "cuda":
            span = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            span[0].record()
            denoised = self._prior.denoise(x, sigma)
            span[1].record()
            self._spans.append(span)
            return denoised
        started = time.perf_counter()
        denoised = self._prior.denoise(x, sigma)
        self._seconds += time.perf_counter() - started
        return denoised
