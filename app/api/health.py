"""Liveness, readiness and Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from pydantic import BaseModel

from app.api.problems import ProblemError, responses
from app.api.service import Service, ServiceDep
from app.jobs import JobStatus
from app.metrics import with_worker

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """How the service is."""

    status: str


@router.get("/healthz")
async def healthz() -> Health:
    """The process is alive."""
    return Health(status="ok")


@router.get("/readyz", responses=responses(503))
def readyz(service: ServiceDep) -> Health:
    """A worker can take jobs: it has loaded the default prior and was heard of within the time of a lease."""
    workers = service.store.workers_seen(service.settings.lease_seconds)
    if any(worker.state == "ready" for worker in workers):
        return Health(status="ready")
    states = ", ".join(f"{w.state} {w.detail}".strip() for w in workers) or "none is running yet"
    raise ProblemError(503, "not-ready", "Not ready", f"no worker can take jobs: {states}", headers={"Retry-After": "1"})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **responses(503)})
def metrics(service: ServiceDep) -> Response:
    """Prometheus metrics."""
    registry = CollectorRegistry()
    registry.register(_Collector(service))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Collector:
    """The store's numbers at this moment; every server of the service gives the same."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        counts = self._service.store.counts()
        jobs = GaugeMetricFamily("dpnp_jobs", "Jobs by state", labels=["status"])
        for status, count in counts.items():
            jobs.add_metric([status], count)
        yield jobs
        failed = GaugeMetricFamily("dpnp_failed_jobs", "Failed jobs by the type of their error", labels=["type"])
        for kind, count in self._service.store.failures().items():
            failed.add_metric([kind], count)
        yield failed
        yield GaugeMetricFamily("dpnp_queue_depth", "Jobs that wait", value=counts[JobStatus.QUEUED])
        workers = self._service.store.workers_seen(self._service.settings.lease_seconds)
        ready = sum(worker.state == "ready" for worker in workers)
        yield GaugeMetricFamily("dpnp_workers_ready", "Workers that can take jobs", value=ready)
        calls = CounterMetricFamily("dpnp_denoiser_calls", "Denoiser calls of the living workers", labels=["worker"])
        seconds = CounterMetricFamily("dpnp_sampling_seconds", "Seconds spent in sampler steps", labels=["worker"])
        for worker in workers:
            calls.add_metric([worker.id], worker.denoiser_calls)
            seconds.add_metric([worker.id], worker.sampling_seconds)
        yield from (calls, seconds)
        files = self._service.files
        yield from with_worker((worker.id, files.metrics(worker.id)) for worker in workers)
