"""Liveness, readiness and metrics."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from app.api import create_app
from app.files import Files
from app.jobs import JobError
from app.metrics import WorkerMetrics, with_worker
from app.worker.loop import Worker
from tests.app.answers import problem, store_of
from tests.app.conftest import MakeSettings
from tests.app.helpers import Idle, post, spec


def test_health_ready_and_metrics(client: TestClient) -> None:
    from app.store import WorkerRow

    assert client.get("/healthz").json() == {"status": "ok"}
    assert "no worker" in problem(client.get("/readyz"), 503)["detail"]
    store_of(client).report_worker(WorkerRow("w", "starting"))
    problem(client.get("/readyz"), 503)
    store_of(client).report_worker(WorkerRow("w", "ready", "", 12, 3.5))
    assert client.get("/readyz").status_code == 200
    post(client)
    text = client.get("/metrics").text
    for line in (
        'dpnp_jobs{status="queued"} 1.0',
        "dpnp_queue_depth 1.0",
        "dpnp_workers_ready 1.0",
        'dpnp_denoiser_calls_total{worker="w"} 12.0',
    ):
        assert line in text


def sample(text: str, name: str, **labels: str) -> float:
    """The value of one sample of an exposition, which a Prometheus parser must understand."""
    found = [
        s
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.name == name and labels.items() <= s.labels.items()
    ]
    assert len(found) == 1, found
    return found[0].value


def test_what_a_worker_measures_reaches_the_metrics(make_settings: MakeSettings, arviz: None) -> None:
    settings = make_settings()
    with TestClient(create_app(settings, Idle())) as client:
        for n_samples in (2, 3):
            post(client, given=spec(n_samples=n_samples))
        worker = Worker("w/1", settings)
        worker._announce("ready")
        while worker.work_once():
            pass
        text = client.get("/metrics").text
        worker.store.close()
    of = {"worker": "w/1"}
    assert sample(text, "dpnp_queue_seconds_count", **of) == 2
    assert sample(text, "dpnp_denoiser_call_seconds_count", **of) == 2 * 8
    assert 0 < sample(text, "dpnp_denoiser_call_seconds_sum", **of) < 60
    assert sample(text, "dpnp_batch_size_bucket", le="2.0", **of) == 8
    assert sample(text, "dpnp_batch_size_bucket", le="4.0", **of) == 16
    assert sample(text, "dpnp_jobs", status="succeeded") == 2


def test_failures_are_counted_by_type(client: TestClient) -> None:
    for kind in ("diverged", "diverged", "out-of-memory"):
        post(client)
        held = store_of(client).claim("w", 100)
        assert held is not None
        store_of(client).fail(held, JobError(type=kind, title="t", detail="d"))
    text = client.get("/metrics").text
    assert sample(text, "dpnp_failed_jobs", type="diverged") == 2
    assert sample(text, "dpnp_failed_jobs", type="out-of-memory") == 1


def test_metrics_of_workers_are_merged_by_name() -> None:
    texts = []
    for name, seconds in {"a": 1.0, "b": 50.0}.items():
        metrics = WorkerMetrics()
        metrics.queue_seconds.observe(seconds)
        texts.append((name, metrics.text().decode()))
    families = {family.name: family for family in with_worker([*texts, ("silent", "")])}
    sums = {s.labels["worker"]: s.value for s in families["dpnp_queue_seconds"].samples if s.name.endswith("_sum")}
    assert sums == {"a": 1.0, "b": 50.0}


def test_a_worker_that_ends_takes_its_measurements_along(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.save_metrics("../w", b"x 1\n")
    assert files.metrics("../w") == "x 1\n"
    assert [path.parent for path in tmp_path.rglob("*.prom")] == [tmp_path / "metrics"]
    files.remove_metrics("../w")
    files.remove_metrics("../w")
    assert files.metrics("../w") == ""
