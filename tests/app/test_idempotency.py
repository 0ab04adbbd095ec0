"""The same key never queues two jobs; a request may wait for its job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api import create_app
from tests.app.answers import files_of, folders, problem, store_of
from tests.app.conftest import MakeSettings
from tests.app.helpers import Idle, npy, post, spec, until


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


@pytest.fixture
def pair(make_settings: MakeSettings, database_url: str) -> Iterator[tuple[TestClient, TestClient]]:
    """Two API applications, such as on two hosts, over one database and one folder."""
    settings = make_settings(database_url=database_url)
    with TestClient(create_app(settings, Idle())) as first, TestClient(create_app(settings, Idle())) as second:
        yield first, second


def test_a_key_in_flight_is_409_in_every_process(pair: tuple[TestClient, TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair
    headers = {"Idempotency-Key": "k"}
    reached, go_on = threading.Event(), threading.Event()
    files = files_of(first)

    def create(*parts: Any) -> None:
        reached.set()
        assert go_on.wait(30)
        type(files).create(files, *parts)

    monkeypatch.setattr(files, "create", create)
    with ThreadPoolExecutor(1) as pool:
        submission = pool.submit(post, first, headers=headers)
        assert reached.wait(30)
        for client in pair:
            answer = post(client, headers=headers)
            assert "in-flight" in problem(answer, 409)["type"]
            assert answer.headers["retry-after"] == "1"
        assert post(second, headers={"Idempotency-Key": "another"}).status_code == 202
        go_on.set()
        job = submission.result().json()
    answer = post(second, headers=headers)
    assert (answer.status_code, answer.json()["id"], answer.headers["idempotent-replayed"]) == (202, job["id"], "true")


def test_fifty_equal_requests_to_two_processes_make_one_job(pair: tuple[TestClient, TestClient]) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda i: post(pair[i % 2], headers={"Idempotency-Key": "fifty"}), range(50)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert len(folders(pair[0])) == len(pair[1].get("/v1/jobs").json()["jobs"]) == 1


def test_the_key_of_a_process_that_died_is_free_again_soon(client: TestClient) -> None:
    store_of(client).hold("k", None, 1.0)
    headers = {"Idempotency-Key": "k"}
    problem(post(client, headers=headers), 409)
    answer = until(lambda: (a := post(client, headers=headers)).status_code == 202 and a, 20, "the end of the claim")
    assert "idempotent-replayed" not in answer.headers


def test_prefer_wait_is_capped_and_answers_202(make_settings: MakeSettings) -> None:
    with TestClient(create_app(make_settings(max_wait_seconds=0.1), Idle())) as client:
        answer = post(client, headers={"Prefer": "respond-async, wait=100"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=0.1"
