"""What a submission may hold, and how each mistake in one is answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.app.answers import files_of, folders, paths, problem
from tests.app.helpers import MEASUREMENT, npy, picture, post, spec


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
