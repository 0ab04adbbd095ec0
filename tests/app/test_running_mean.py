"""The picture of a job while it runs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from app.files import Files
from app.worker.running_mean import RunningMean
from tests.app.answers import files_of, problem, store_of
from tests.app.helpers import post

SAMPLES = torch.linspace(-1, 1, 3 * 1 * 4 * 4).reshape(3, 1, 4, 4)


def shown(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image, dtype=float) / 127.5 - 1


def test_the_mean_of_the_samples_is_served_while_the_job_runs(client: TestClient) -> None:
    job = post(client).json()
    address = f"/v1/jobs/{job['id']}/running-mean.png"
    assert "queued" in problem(client.get(address), 404)["detail"]
    held = store_of(client).claim("w", 100)
    assert held is not None
    problem(client.get(address), 404)
    RunningMean(files_of(client), job["id"], held.token).show(SAMPLES)
    answer = client.get(client.get(f"/v1/jobs/{job['id']}").json()["links"]["running_mean"])
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("image/png", "no-store")
    np.testing.assert_allclose(shown(answer.content), SAMPLES.mean(0)[0], atol=0.5 / 127.5 + 1e-6)
    assert store_of(client).succeed(held)
    assert "succeeded" in problem(client.get(address), 404)["detail"]


def test_a_later_lease_shows_its_own_picture(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.create("a", np.zeros(1))
    RunningMean(files, "a", 1).show(SAMPLES)
    assert files.running_mean("a", 2) is None
    RunningMean(files, "a", 2).show(-SAMPLES.abs())
    assert files.running_mean("a", 1) != files.running_mean("a", 2)
    files.tidy("a", None)
    assert [path.name for path in files.folder("a").iterdir()] == ["measurement.npy"]


def test_it_is_renewed_now_and_then_and_costs_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(tmp_path)
    files.create("a", np.zeros(1))
    mean = RunningMean(files, "a", 1)
    mean.show(SAMPLES)
    first = files.running_mean("a", 1)
    mean.show(-SAMPLES)
    assert files.running_mean("a", 1) == first
    monkeypatch.setattr("app.worker.running_mean.SECONDS_BETWEEN", 0)
    RunningMean(files, "a", 1).show(SAMPLES.flip(0) ** 2)
    assert files.running_mean("a", 1) != first
    RunningMean(files, "none", 1).show(SAMPLES)  # its folder is gone, or the disk is full
    RunningMean(files, "a", 3).show(torch.zeros(2, 1, 1, 5))  # no picture
    assert files.running_mean("a", 3) is None
