"""What the service turns away: too much, too many, too full."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api import create_app
from tests.app.answers import folders, problem
from tests.app.conftest import MakeSettings
from tests.app.helpers import Idle, fill, npy, post


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


@pytest.mark.parametrize("store", ["on another disk", "on the full disk"])
def test_on_a_disk_that_is_really_full_nothing_is_left_behind(
    make_settings: MakeSettings, small_disk: Path, tmp_path: Path, store: str
) -> None:
    elsewhere = {"database_url": f"sqlite:///{tmp_path / 'store.sqlite3'}"} if store == "on another disk" else {}
    with TestClient(create_app(make_settings(data_dir=small_disk, min_free_bytes=0, **elsewhere), Idle())) as client:
        first = post(client).json()["id"]
        filler = fill(small_disk)
        for _ in range(3):
            problem(post(client), 507)
        assert [folder.name for folder in folders(client)] == [first]
        filler.unlink()
        second = post(client).json()["id"]
        assert [job["id"] for job in client.get("/v1/jobs").json()["jobs"]] == [second, first]


def test_a_disk_that_is_nearly_full_is_left_to_the_running_jobs(make_settings: MakeSettings) -> None:
    with TestClient(create_app(make_settings(min_free_bytes=2**60), Idle())) as client:
        problem(post(client), 507)
        assert folders(client) == []


def test_an_unforeseen_error_is_a_problem_without_its_message(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    with TestClient(create_app(settings, Idle()), raise_server_exceptions=False) as client:
        monkeypatch.setattr("app.api.service.parse_spec", broken)
        body = problem(post(client), 500)
        assert "RuntimeError" in body["detail"]
        assert "secret" not in json.dumps(body)
