"""Looking at jobs, cancelling and forgetting them, and their result files."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from app.jobs import JobError
from tests.app.answers import files_of, folders, problem, store_of
from tests.app.helpers import post


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/jobs/unknown", 404),
        ("GET", "/v1/jobs/unknown/events", 404),
        ("GET", "/v1/jobs/unknown/result", 404),
        ("GET", "/v1/jobs/unknown/result/mean.png", 404),
        ("POST", "/v1/jobs/unknown/cancel", 404),
        ("DELETE", "/v1/jobs/unknown", 404),
        ("GET", "/v2", 404),
        ("GET", "/page/none.js", 404),
        ("PUT", "/v1/jobs", 405),
        ("GET", "/v1/jobs?limit=0", 422),
        ("GET", "/v1/jobs?cursor=%00", 422),
        ("GET", "/v1/jobs?status=lost", 422),
    ],
)
def test_wrong_addresses_are_problems(client: TestClient, method: str, path: str, status: int) -> None:
    problem(client.request(method, path), status)


def test_405_names_all_the_methods_of_the_address(client: TestClient) -> None:
    assert client.put("/v1/jobs/x").headers["allow"] == "DELETE, GET"
    assert client.put("/v1/jobs").headers["allow"] == "GET, POST"
    assert client.post("/").headers["allow"] == "GET"


def test_lists_are_newest_first_in_pages(client: TestClient) -> None:
    ids = [post(client).json()["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = client.get("/v1/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]
    client.post(f"/v1/jobs/{ids[0]}/cancel")
    assert [job["id"] for job in client.get("/v1/jobs?status=cancelled").json()["jobs"]] == [ids[0]]


def test_cancel_is_idempotent(client: TestClient) -> None:
    address = post(client).json()["links"]["cancel"]
    for _ in range(2):
        answer = client.post(address)
        assert answer.status_code == 200
        assert answer.json()["status"] == "cancelled"


def test_delete_takes_only_finished_jobs_and_their_files(client: TestClient) -> None:
    job_id = post(client).json()["id"]
    assert "cancel" in problem(client.delete(f"/v1/jobs/{job_id}"), 409)["detail"]
    client.post(f"/v1/jobs/{job_id}/cancel")
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    problem(client.get(f"/v1/jobs/{job_id}"), 404)
    assert folders(client) == []


def test_no_result_before_its_time(client: TestClient) -> None:
    job_id = post(client).json()["id"]
    for name in ("", "/mean.png", "/samples/0.png", "/posterior.npz"):
        assert "queued" in problem(client.get(f"/v1/jobs/{job_id}/result{name}"), 409)["detail"]
    held = store_of(client).claim("w", 100)
    assert held is not None
    store_of(client).fail(held, JobError(type="diverged", title="t", detail="the chain diverged"))
    assert "the chain diverged" in problem(client.get(f"/v1/jobs/{job_id}/result"), 409)["detail"]


def test_a_half_written_result_is_never_served(client: TestClient) -> None:
    job_id = post(client).json()["id"]
    held = store_of(client).claim("w", 100)
    assert held is not None
    files = files_of(client)
    (files.begin_result(job_id, held.token) / "mean.png").write_bytes(b"half")
    problem(client.get(f"/v1/jobs/{job_id}/result/mean.png"), 409)
    files.publish_result(job_id, held.token)
    problem(client.get(f"/v1/jobs/{job_id}/result/mean.png"), 409)
    assert store_of(client).succeed(held)
    assert client.get(f"/v1/jobs/{job_id}/result/mean.png").content == b"half"


@pytest.mark.parametrize("name", ["..%2Fmeasurement.npy", "measurement.npy", "result.json", "samples%2F..%2Fmean.png", "samples/-1.png"])
def test_only_result_files_are_served(client: TestClient, name: str) -> None:
    job_id = post(client).json()["id"]
    held = store_of(client).claim("w", 100)
    assert held is not None
    (files_of(client).begin_result(job_id, held.token) / "result.json").write_text("{}")
    files_of(client).publish_result(job_id, held.token)
    store_of(client).succeed(held)
    assert client.get(f"/v1/jobs/{job_id}/result/{name}").status_code in (404, 422)
