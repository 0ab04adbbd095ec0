"""The catalogue, and simulated measurements."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.app.answers import paths, problem
from tests.app.helpers import picture, post, spec


def test_the_catalogue_names_what_a_spec_may_name(client: TestClient) -> None:
    operators = {entry["name"]: entry for entry in client.get("/v1/operators").json()["operators"]}
    properties = operators["super_resolution"]["schema"]["properties"]
    assert {"factor", "noise_std"} <= set(properties)
    assert "image_shape" not in properties
    priors = {entry["name"]: entry for entry in client.get("/v1/priors").json()["priors"]}
    assert priors["tiny"]["image_shape"] == [1, 8, 8]
    assert priors["tiny"]["default"]
    assert not priors["tiny-rgb"]["default"]
    assert not priors["tiny"]["loaded"]
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
