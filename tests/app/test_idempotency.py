"""The same key never queues two jobs; a request may wait for its job."""

from __future__ import annotations

import numpy as np
from starlette.testclient import TestClient

from app.api import create_app
from tests.app.answers import folders, problem
from tests.app.conftest import MakeSettings
from tests.app.helpers import Idle, npy, post, spec


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
