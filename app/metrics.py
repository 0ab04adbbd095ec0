"""What workers measure, and how it comes to the server that Prometheus asks: one file per worker, in Prometheus's own text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import prometheus_client
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

prometheus_client.disable_created_metrics()

QUEUE_BUCKETS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
CALL_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class WorkerMetrics:
    """The measurements of one worker since it started."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.queue_seconds = Histogram(
            "dpnp_queue_seconds", "Seconds from a job's submission to its first attempt", buckets=QUEUE_BUCKETS, registry=registry
        )
        self.denoiser_seconds = Histogram(
            "dpnp_denoiser_call_seconds", "Seconds of one denoiser call", buckets=CALL_BUCKETS, registry=registry
        )
        self.batch_size = Histogram("dpnp_batch_size", "Images in one denoiser call", buckets=SIZE_BUCKETS, registry=registry)

    def text(self) -> bytes:
        """All of them, in Prometheus's text format."""
        return generate_latest(self._registry)


def with_worker(texts: Iterable[tuple[str, str]]) -> Iterator[Metric]:
    """The metrics of several workers, given as (worker, text), as one family each with the label ``worker``."""
    families: dict[str, Metric] = {}
    for worker, text in texts:
        for family in text_string_to_metric_families(text):
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                known.add_sample(sample.name, {**sample.labels, "worker": worker}, sample.value)
    yield from families.values()
