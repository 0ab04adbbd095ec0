"""Calls and their answers, with an engine that runs nothing."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api import create_app
from app.files import Files
from app.jobs import JobError
from app.store import Store
from tests.app.conftest import MakeSettings
from tests.app.helpers import MEASUREMENT, Idle, npy, picture, post, spec

PROBLEM = "application/problem+json"


def problem(answer: Any, status: int) -> dict[str, Any]:
    """The problem of an answer, which must be one of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["status"] == status
    return body


def paths(body: dict[str, Any]) -> list[str]:
    return [error["path"] for error in body["errors"]]


def store_of(client: TestClient) -> Store:
    return client.app.state.service.store  # type: ignore[attr-defined]


def files_of(client: TestClient) -> Files:
    return client.app.state.service.files  # type: ignore[attr-defined]


def folders(client: TestClient) -> list[Path]:
    return list(files_of(client).jobs.iterdir())


def test_a_submission_is_queued(client: TestClient) -> None:
    answer = post(client)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["status"], job["queue_position"], job["attempt"]) == ("queued", 1, 0)
    assert job["progress"] == {"step": 0, "total": 4}
    assert job["spec"] == spec()
    assert client.get(job["links"]["self"]).json() == job
    np.testing.assert_array_equal(files_of(client).measurement(job["id"]), np.zeros((1, 2, 2)))


def test_prior_sampler_and_seed_have_defaults(client: TestClient) -> None:
    job = post(client, given={"operator": {"name": "super_resolution", "factor": 4}}).json()
    assert (job["spec"]["prior"], job["spec"]["sampler"]["name"], job["spec"]["seed"]) == ("tiny", "dpnp", 0)


def test_the_spec_may_come_as_a_file_part(client: TestClient) -> None:
    parts = {"measurement": ("m.npy", MEASUREMENT), "spec": ("spec.json", json.dumps(spec()), "application/json")}
    assert client.post("/v1/jobs", files=parts).status_code == 202


@pytest.mark.parametrize(
    "content", [npy(np.zeros((2, 2))), picture(np.zeros((2, 2), dtype=np.uint8)), picture(np.zeros((2, 2, 3), dtype=np.uint8))]
)
def test_grey_measurements_come_in_several_forms(client: TestClient, content: bytes) -> None:
    assert post(client, content).status_code == 202


# Bad input: one error each


@pytest.mark.parametrize("content", [b"not a picture", b"", npy(np.array([{}]), allow_pickle=True), MEASUREMENT[:-1]])
def test_what_is_no_measurement_file_is_415(client: TestClient, content: bytes) -> None:
    problem(post(client, content), 415)
    assert folders(client) == []


def test_a_wrong_shape_names_both_shapes(client: TestClient) -> None:
    detail = problem(post(client, npy(np.zeros((1, 3, 5)))), 422)["detail"]
    assert "(1, 2, 2)" in detail
    assert "(1, 3, 5)" in detail


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_nan_and_infinity_are_422(client: TestClient, value: float) -> None:
    assert "finite" in problem(post(client, npy(np.array([[[0, 0], [0, value]]]))), 422)["detail"]


def test_an_unknown_operator_lists_the_known(client: TestClient) -> None:
    body = problem(post(client, given=spec(operator={"name": "telepathy"})), 422)
    assert paths(body) == ["operator.name"]
    assert "super_resolution" in body["detail"]


def test_an_unknown_prior_lists_the_known(client: TestClient) -> None:
    body = problem(post(client, given=spec(prior="cats")), 422)
    assert paths(body) == ["prior"]
    assert "tiny" in body["detail"]


@pytest.mark.parametrize("prior", ["../tiny", "/etc", ".", ""])
def test_a_prior_is_never_a_path(client: TestClient, prior: str, priors_dir: Path) -> None:
    assert post(client, given=spec(prior=str(priors_dir / "tiny"))).status_code == 422
    if prior:
        assert paths(problem(post(client, given=spec(prior=prior)), 422)) == ["prior"]


def test_an_unknown_sampler_lists_the_known(client: TestClient) -> None:
    body = problem(post(client, given=spec(sampler={"name": "guess"})), 422)
    assert paths(body) == ["sampler.name"]
    assert "dpnp" in body["detail"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"operator": {"name": "super_resolution", "factor": 0}}, "operator.factor"),
        ({"operator": {"name": "super_resolution", "noise_std": -1}}, "operator.noise_std"),
        ({"operator": {"name": "super_resolution", "colour": "red"}}, "operator.colour"),
        ({"operator": {"name": "super_resolution", "image_shape": [1, 8, 8]}}, "operator.image_shape"),
        ({"operator": {"name": "super_resolution", "factor": 3}}, "operator"),
        ({"operator": {"factor": 4}}, "operator.name"),
        ({"operator": "super_resolution"}, "operator"),
        ({"sampler": {"name": "dpnp", "n_iterations": 0}}, "sampler.n_iterations"),
        ({"sampler": {"name": "dpnp", "denoising": "magic"}}, "sampler.denoising"),
        ({"n_samples": 0}, "n_samples"),
        ({"n_samples": 65}, "n_samples"),
        ({"n_samples": 1.5}, "n_samples"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**53}, "seed"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_bad_field_is_named_by_its_path(client: TestClient, change: dict[str, Any], path: str) -> None:
    body = problem(post(client, given=spec(**change)), 422)
    assert paths(body) == [path]
    assert body["errors"][0]["message"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"spec"', "null", '{"seed": NaN}', '{"seed": 1e999}', "[" * 20_000, '{"prior": "\\ud800"}']
)
def test_a_spec_that_is_no_json_object_is_422(client: TestClient, text: str) -> None:
    problem(post(client, given=text), 422)


def test_missing_parts_are_named(client: TestClient) -> None:
    assert paths(problem(client.post("/v1/jobs", data={"spec": "{}"}, files={"x": b""}), 422)) == ["measurement"]
    assert paths(problem(client.post("/v1/jobs", files={"measurement": ("m", MEASUREMENT)}), 422)) == ["spec"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json"}, 415),
        ({"content-type": "multipart/form-data"}, 422),
        ({"content-type": "multipart/form-data; boundary=x"}, 422),
    ],
)
def test_a_body_that_is_no_multipart_is_refused(client: TestClient, headers: dict[str, str], status: int) -> None:
    problem(client.post("/v1/jobs", content=b"{}", headers=headers), status)


def test_a_large_body_is_413_while_it_streams(make_settings: MakeSettings) -> None:
    def endless() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="measurement"; filename="m"\r\n\r\n'
        for _ in range(1000):
            yield bytes(1024)

    with TestClient(create_app(make_settings(max_upload_bytes=10_000), Idle())) as client:
        problem(post(client, bytes(20_000)), 413)
        headers = {"content-type": "multipart/form-data; boundary=x"}
        problem(client.post("/v1/jobs", content=endless(), headers=headers), 413)


def test_too_many_pixels_are_413(make_settings: MakeSettings) -> None:
    with TestClient(create_app(make_settings(max_pixels=100), Idle())) as client:
        problem(post(client, npy(np.zeros((1, 11, 10)))), 413)


def test_a_full_queue_is_429_with_retry_after(make_settings: MakeSettings) -> None:
    with TestClient(create_app(make_settings(max_queue=1), Idle())) as client:
        assert post(client).status_code == 202
        answer = post(client)
        problem(answer, 429)
        assert int(answer.headers["retry-after"]) > 0
        assert len(folders(client)) == 1


def test_a_full_disk_is_507_and_leaves_nothing(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("app.files._sync", full)
    problem(post(client), 507)
    assert folders(client) == []
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_an_unforeseen_error_is_a_problem_without_its_message(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    with TestClient(create_app(settings, Idle()), raise_server_exceptions=False) as client:
        monkeypatch.setattr("app.api.service.parse_spec", broken)
        body = problem(post(client), 500)
        assert "RuntimeError" in body["detail"]
        assert "secret" not in json.dumps(body)


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


# Idempotency and waiting


def test_a_replay_gives_the_same_job(client: TestClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first, second = post(client, headers=headers), post(client, headers=headers)
    assert first.json() == second.json()
    assert (first.status_code, second.status_code) == (202, 202)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert len(folders(client)) == 1


def test_a_replay_finds_a_full_queue_no_hindrance(make_settings: MakeSettings) -> None:
    with TestClient(create_app(make_settings(max_queue=1), Idle())) as client:
        headers = {"Idempotency-Key": "k"}
        assert post(client, headers=headers).json()["id"] == post(client, headers=headers).json()["id"]


def test_another_payload_under_the_key_is_422(client: TestClient) -> None:
    headers = {"Idempotency-Key": "k"}
    post(client, headers=headers)
    assert "idempotency" in problem(post(client, given=spec(seed=1), headers=headers), 422)["type"]
    assert "idempotency" in problem(post(client, npy(np.ones((1, 2, 2))), headers=headers), 422)["type"]


def test_a_refused_submission_does_not_use_up_its_key(client: TestClient) -> None:
    headers = {"Idempotency-Key": "k"}
    problem(post(client, b"broken", headers=headers), 415)
    assert post(client, headers=headers).status_code == 202


def test_a_key_in_flight_is_409(client: TestClient) -> None:
    with client.app.state.service.in_flight("k"):  # type: ignore[attr-defined]
        answer = post(client, headers={"Idempotency-Key": "k"})
    problem(answer, 409)
    assert answer.headers["retry-after"] == "1"
    assert post(client, headers={"Idempotency-Key": "k"}).status_code == 202


def test_prefer_wait_is_capped_and_answers_202(make_settings: MakeSettings) -> None:
    with TestClient(create_app(make_settings(max_wait_seconds=0.1), Idle())) as client:
        answer = post(client, headers={"Prefer": "respond-async, wait=100"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=0.1"


# Looking, cancelling, forgetting


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


# Catalogue, simulation, health, page


def test_the_catalogue_names_what_a_spec_may_name(client: TestClient) -> None:
    operators = {entry["name"]: entry for entry in client.get("/v1/operators").json()["operators"]}
    properties = operators["super_resolution"]["schema"]["properties"]
    assert {"factor", "noise_std"} <= set(properties)
    assert "image_shape" not in properties
    priors = {entry["name"]: entry for entry in client.get("/v1/priors").json()["priors"]}
    assert priors["tiny"]["image_shape"] == [1, 8, 8]
    assert priors["tiny"]["default"]
    assert not priors["tiny-rgb"]["default"]
    samplers = {entry["name"]: entry for entry in client.get("/v1/samplers").json()["samplers"]}
    assert "n_iterations" in samplers["dpnp"]["schema"]["properties"]


def simulate(client: TestClient, content: bytes, **given: Any) -> Any:
    parts = {"operator": {"name": "super_resolution", "factor": 4, "noise_std": 1e-3}, **given}
    return client.post("/v1/simulate", files={"image": ("x", content)}, data={"spec": json.dumps(parts)})


@pytest.mark.parametrize("prior", ["tiny", "tiny-rgb"])
@pytest.mark.parametrize("shape", [(16, 16), (20, 30, 3), (9, 300)])
def test_a_photograph_becomes_a_measurement_that_can_be_submitted(client: TestClient, prior: str, shape: tuple[int, ...]) -> None:
    answer = simulate(client, picture(np.full(shape, 255, dtype=np.uint8)), prior=prior)
    assert answer.status_code == 200, answer.text
    array = np.load(io.BytesIO(answer.content))
    assert array.shape == (3 if prior == "tiny-rgb" else 1, 2, 2)
    np.testing.assert_allclose(array, 1, atol=0.01)
    assert post(client, answer.content, spec(prior=prior)).status_code == 202


def test_simulation_depends_on_the_seed_alone(client: TestClient) -> None:
    image = picture(np.full((8, 8), 99, dtype=np.uint8))
    assert simulate(client, image, seed=1).content == simulate(client, image, seed=1).content
    assert simulate(client, image, seed=1).content != simulate(client, image, seed=2).content


def test_simulation_refuses_what_submission_refuses(client: TestClient) -> None:
    image = picture(np.zeros((8, 8), dtype=np.uint8))
    problem(simulate(client, b"no picture"), 415)
    assert paths(problem(simulate(client, image, operator={"name": "x"}), 422)) == ["operator.name"]
    assert paths(problem(simulate(client, image, n_samples=3), 422)) == ["n_samples"]
    assert paths(problem(client.post("/v1/simulate", data={"spec": "{}"}, files={"y": b""}), 422)) == ["image"]


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


def test_the_page_works_under_a_strict_policy(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    assert page.headers["x-content-type-options"] == "nosniff"
    text = page.text
    assert "<script>" not in text
    assert " style=" not in text
    assert " onclick=" not in text
    assert "http:" not in text.replace("http://www.w3.org", "")
    assert "https:" not in text
    for name, kind in {"app.js": "text/javascript", "style.css": "text/css", "icon.svg": "image/svg+xml"}.items():
        answer = client.get(f"/page/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)


def test_openapi_documents_every_status_that_these_tests_saw(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    submit = document["paths"]["/v1/jobs"]["post"]
    assert set(submit["responses"]) == {"200", "202", "400", "409", "413", "415", "422", "429", "503", "507"}
    assert set(submit["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]) == {"measurement", "spec"}
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert answer["content"] == {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert {"Problem", "BadField"} <= set(document["components"]["schemas"])
