"""The times of denoiser calls: told in the end, and never waited for."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families
from torch import Tensor

from app.metrics import WorkerMetrics
from app.worker.metered import MeteredPrior

SECONDS = (0.25, 0.5, 2.0)


def told(metrics: WorkerMetrics, name: str) -> float:
    families = text_string_to_metric_families(metrics.text().decode())
    return next(s.value for family in families for s in family.samples if s.name == name)


def calls(metrics: WorkerMetrics) -> tuple[float, float]:
    """How many times are told, and their sum."""
    return told(metrics, "dpnp_denoiser_call_seconds_count"), told(metrics, "dpnp_denoiser_call_seconds_sum")


class SlowPrior:
    """Takes 0.05 s."""

    image_shape, device, dtype = (1, 2, 2), torch.device("cpu"), torch.float32

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        time.sleep(0.05)
        return x


class Gpu:
    """Works off what it was asked for when it is told to; the clock is its own."""

    def __init__(self) -> None:
        self.asked: list[float | FakeEvent] = []
        self.clock = 100.0

    def work(self, items: int | None = None) -> None:
        for _ in range(len(self.asked) if items is None else items):
            item = self.asked.pop(0)
            if isinstance(item, FakeEvent):
                item.at = self.clock
            else:
                self.clock += item


class FakeEvent:
    """As much of ``torch.cuda.Event`` as is used."""

    def __init__(self, enable_timing: bool = False) -> None:
        assert enable_timing
        self.at: float | None = None

    def record(self, stream: Gpu) -> None:
        stream.asked.append(self)

    def query(self) -> bool:
        return self.at is not None

    def elapsed_time(self, end: FakeEvent) -> float:
        assert self.at is not None
        assert end.at is not None
        return 1000 * (end.at - self.at)


class GpuPrior:
    """Asks the GPU for calls of the lengths in :data:`SECONDS`, and returns at once."""

    image_shape, device, dtype = (1, 2, 2), torch.device("cuda", 1), torch.float32

    def __init__(self, gpu: Gpu) -> None:
        self._gpu, self._lengths = gpu, iter(SECONDS)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        self._gpu.asked.append(next(self._lengths))
        return x


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    gpu = Gpu()

    def stream(device: torch.device) -> Gpu:
        assert device == GpuPrior.device
        return gpu

    def synchronize(*_: Any) -> None:
        raise AssertionError("a call was waited for")

    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(torch.cuda, "current_stream", stream)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    return gpu


def test_on_the_cpu_a_call_is_timed_when_it_returns() -> None:
    metrics = WorkerMetrics()
    prior = MeteredPrior(SlowPrior(), metrics)
    x, outside = torch.zeros(3, 1, 2, 2), 0.0
    for n in (1, 2):
        started = time.perf_counter()
        assert prior.denoise(x, torch.ones(3)) is x
        outside += time.perf_counter() - started
        count, seconds = calls(metrics)
        assert count == n
        assert n * 0.05 <= seconds <= outside
    assert told(metrics, "dpnp_batch_size_sum") == 6


def test_on_a_gpu_times_are_told_as_calls_end_and_nothing_waits(gpu: Gpu) -> None:
    metrics = WorkerMetrics()
    prior = MeteredPrior(GpuPrior(gpu), metrics)
    x, sigma = torch.zeros(4, 1, 2, 2), torch.ones(4)
    prior.denoise(x, sigma)
    prior.denoise(x, sigma)
    assert calls(metrics) == (0, 0)
    assert told(metrics, "dpnp_batch_size_count") == 2
    gpu.work(5)  # all of the first call, and the second but for its end
    prior.collect()
    assert calls(metrics) == (1, pytest.approx(0.25))
    gpu.work(1)
    prior.denoise(x, sigma)
    assert calls(metrics) == (2, pytest.approx(0.75))
    gpu.work()
    prior.collect()
    prior.collect()
    assert calls(metrics) == (3, pytest.approx(sum(SECONDS)))
