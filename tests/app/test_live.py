"""The service as users run it: a server process, its worker process, HTTP between."""

from __future__ import annotations

import signal
import socket
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.store import Store
from tests.app.helpers import LiveServer, post, reached, sse, submit, until

pytestmark = pytest.mark.timeout(180)

LONG = {"name": "dpnp", "n_iterations": 150, "denoising_steps": 4}


def test_a_measurement_goes_in_and_a_posterior_comes_out(live: LiveServer) -> None:
    answer = post(live.client, headers={"Prefer": "wait=60"})
    job = answer.json()
    assert (answer.status_code, job["status"]) == (200, "succeeded"), answer.text
    result = live.client.get(job["links"]["result"]).json()
    assert (result["id"], result["seed"], result["nfe"]) == (job["id"], 0, 8)
    kinds = {".png": "image/png", ".npz": "application/zip", "t.nc": "application/x-netcdf", "r.nc": "application/x-netcdf"}
    for name, address in result["links"].items():
        file = live.client.get(address)
        assert file.status_code == 200
        assert file.headers["content-type"] == kinds[name[-4:]]
        assert file.headers["x-content-type-options"] == "nosniff"
    assert live.client.get(f"/v1/jobs/{job['id']}/result/samples/2.png").status_code == 404
    posterior = live.posterior(job["id"])
    assert posterior["samples"].shape == (2, 1, 8, 8)
    assert live.client.get("/metrics").text.count("dpnp_denoiser_calls_total{") == 1
    assert live.client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert not (live.settings.data_dir / "jobs" / job["id"]).exists()


def test_the_api_answers_at_once_while_a_job_samples(live: LiveServer) -> None:
    job_id = submit(live, sampler=LONG)
    reached(live, job_id, 1)
    seconds: list[float] = []
    for _ in range(40):
        started = time.perf_counter()
        assert live.client.get(f"/v1/jobs/{job_id}").status_code == 200
        seconds.append(time.perf_counter() - started)
    assert live.job(job_id)["status"] == "running"
    assert statistics.median(seconds) < 0.1
    live.client.post(f"/v1/jobs/{job_id}/cancel")
    job = live.finished(job_id, 10)
    assert job["status"] == "cancelled"
    assert 0 < job["progress"]["step"] < 150


def test_a_stream_that_broke_goes_on_where_it_was_and_stops_no_job(live: LiveServer) -> None:
    job_id = submit(live, sampler={**LONG, "n_iterations": 40})
    seen: list[dict[str, Any]] = []
    with live.client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for event in sse(answer.iter_lines()):
            seen.append(event)
            if event["data"]["progress"]["step"] == 3:
                break
    with live.client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": seen[-1]["id"]}) as answer:
        seen += sse(answer.iter_lines())
    steps = [event["data"]["progress"]["step"] for event in seen if event["event"] == "progress"]
    assert steps == list(range(1, 41))
    assert [e["data"]["status"] for e in seen if e["event"] == "status"] == ["queued", "running", "succeeded"]
    ids = [int(event["id"]) for event in seen]
    assert ids == sorted(set(ids))
    with live.client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert list(sse(answer.iter_lines())) == seen
    with live.client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": seen[-1]["id"]}) as answer:
        assert list(sse(answer.iter_lines())) == []


def test_too_large_a_body_is_refused_before_it_is_sent(live: LiveServer) -> None:
    url = live.client.base_url
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {10**12}\r\n\r\n"
    with socket.create_connection((url.host, url.port or 80), timeout=5) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_killed_worker_costs_nothing_but_time(live: LiveServer) -> None:
    """SIGKILL in the middle: the job goes on from its checkpoint to the same posterior, bit for bit."""
    sampler = {**LONG, "n_iterations": 60}
    whole = submit(live, sampler=sampler)
    live.finished(whole)
    broken = submit(live, sampler=sampler)
    reached(live, broken, 11)
    live.kill_worker()
    job = live.finished(broken)
    assert (job["status"], job["attempt"]) == ("succeeded", 2)
    assert not list((live.settings.data_dir / "jobs" / broken).glob("checkpoint-*"))
    with live.client.stream("GET", f"/v1/jobs/{broken}/events") as answer:
        steps = [event["data"]["progress"]["step"] for event in sse(answer.iter_lines()) if event["event"] == "progress"]
    again = [after for before, after in pairwise(steps) if after <= before]
    assert all(step > 8 for step in again), again  # checkpoints are two iterations apart
    for name, array in live.posterior(whole).items():
        np.testing.assert_array_equal(live.posterior(broken)[name], array)


def test_nothing_is_lost_when_the_service_is_killed_and_started_again(live: LiveServer) -> None:
    """SIGKILL of the API in the middle of an event stream, and SIGTERM; the last of these tests, because it leaves the service stopped."""
    job_id = submit(live, sampler={**LONG, "n_iterations": 60})
    waiting = submit(live)
    orphans = live.workers()
    seen = seen_until_killed(live, job_id, step=5)
    until(lambda: not any(alive(pid) for pid in orphans), 20, "the end of the orphaned worker")
    live.start(ready=False)
    assert live.finished(job_id)["status"] == "succeeded"
    assert live.finished(waiting)["status"] == "succeeded"
    with live.client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": seen[-1]["id"]}) as answer:
        seen += sse(answer.iter_lines())
    with live.client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert list(sse(answer.iter_lines())) == seen
    statuses = [event["data"]["status"] for event in seen if event["event"] == "status"]
    assert statuses == ["queued", "running", "queued", "running", "succeeded"]

    last = submit(live, sampler=LONG)
    reached(live, last, 3)
    assert live.stop() in (0, -signal.SIGTERM)
    store = Store(live.settings.store_url)
    stopped = store.get(last)
    store.close()
    assert (stopped.status, stopped.attempt) == ("queued", 0)
    assert list((live.settings.data_dir / "jobs" / last).glob("checkpoint-*.pt"))


def seen_until_killed(live: LiveServer, job_id: str, step: int) -> list[dict[str, Any]]:
    """The events of a stream that the service dies in, at ``step``."""
    seen: list[dict[str, Any]] = []
    with live.client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        events = sse(answer.iter_lines())
        while not seen or seen[-1]["data"]["progress"]["step"] < step:
            seen.append(next(events))
        live.kill()
        with pytest.raises(httpx.RemoteProtocolError):
            seen.extend(events)
    return seen


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
