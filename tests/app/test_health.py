"""Liveness, readiness and metrics."""

from __future__ import annotations

from starlette.testclient import TestClient

from tests.app.answers import problem, store_of
from tests.app.helpers import post


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
