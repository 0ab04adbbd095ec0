"""Results, the catalogue and the list of jobs."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dpnp_client
from tests.client.scripted import Reply, Script, as_json, job

SAMPLES = np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2)
FILES = ["mean.png", "std.png", "posterior.npz"]


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, samples=SAMPLES, mean=SAMPLES.mean(0), std=SAMPLES.std(0))
    return buffer.getvalue()


@pytest.fixture
def result(script: Script, client: Any) -> Any:
    base = "/v1/jobs/j1/result"
    links: dict[str, Any] = {name: f"{base}/{name}" for name in FILES}
    links["samples"] = [f"{base}/samples/{i}.png" for i in range(2)]
    script.on("GET", "/v1/jobs/j1", as_json(job("succeeded", 4))).on("GET", base, as_json({"links": links}))
    script.on("GET", f"{base}/posterior.npz", Reply(200, npz()))
    for name in ("mean.png", "std.png", "samples/0.png", "samples/1.png"):
        script.on("GET", f"{base}/{name}", Reply(200, name.encode()))
    return client.job("j1").result()


def test_arrays_are_loaded_once_when_first_asked_for(script: Script, result: Any) -> None:
    assert script.requests("/v1/jobs/j1/result/posterior.npz") == []
    np.testing.assert_array_equal(result.samples, SAMPLES)
    np.testing.assert_array_equal(result.mean, SAMPLES.mean(0))
    np.testing.assert_array_equal(result.std, SAMPLES.std(0))
    assert len(script.requests("/v1/jobs/j1/result/posterior.npz")) == 1


def test_one_file(result: Any) -> None:
    assert result.file("mean.png") == b"mean.png"
    assert result.file("samples/1.png") == b"samples/1.png"
    with pytest.raises(dpnp_client.NotFoundError):
        result.file("other.png")


def test_download_saves_everything(result: Any, tmp_path: Path) -> None:
    paths = result.download(tmp_path / "new" / "folder")
    found = {p.relative_to(tmp_path / "new" / "folder").as_posix(): p.read_bytes() for p in paths}
    assert found == {
        "mean.png": b"mean.png",
        "std.png": b"std.png",
        "posterior.npz": npz(),
        "samples/0.png": b"samples/0.png",
        "samples/1.png": b"samples/1.png",
    }
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("name", ["../../evil.png", "..%2Fevil.png/../../x", "a\\..\\b.png"])
def test_a_service_cannot_write_outside_of_the_folder(script: Script, client: Any, tmp_path: Path, name: str) -> None:
    script.on("GET", "/v1/jobs/j1", as_json(job("succeeded", 4)))
    script.on("GET", "/v1/jobs/j1/result", as_json({"links": {"mean.png": f"/v1/jobs/j1/result/{name}"}}))
    with pytest.raises(dpnp_client.ProtocolError, match="outside"):
        client.job("j1").result().download(tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_a_broken_posterior_is_an_error(script: Script, client: Any) -> None:
    script.on("GET", "/v1/jobs/j1", as_json(job("succeeded", 4))).on("GET", "/v1/jobs/j1/result", as_json({"links": {}}))
    script.on("GET", "/v1/jobs/j1/result/posterior.npz", Reply(200, npz()[:100]))
    with pytest.raises(dpnp_client.ProtocolError, match="npz"):
        _ = client.job("j1").result().samples


def test_jobs_walks_the_pages(script: Script, client: Any) -> None:
    first = as_json({"jobs": [job(job_id="a"), job(job_id="b")], "next_cursor": "c1"})
    script.on("GET", "/v1/jobs", first, as_json({"jobs": [job(job_id="c")], "next_cursor": None}))
    assert [j.id for j in client.jobs()] == ["a", "b", "c"]


def test_jobs_stops_at_the_limit(script: Script, client: Any) -> None:
    script.on("GET", "/v1/jobs", as_json({"jobs": [job(job_id="a"), job(job_id="b")], "next_cursor": "c1"}))
    assert [j.id for j in client.jobs(limit=1)] == ["a"]
    assert client.jobs(limit=0) == []
    assert len(script.asked) == 1


def test_the_catalogue(script: Script, client: Any) -> None:
    entry = {"name": "super_resolution", "summary": "fewer pixels", "parameters": {"type": "object"}}
    script.on("GET", "/v1/operators", as_json({"operators": [entry]})).on("GET", "/v1/samplers", as_json({"samplers": [entry]}))
    prior = {"name": "faces-64", "image_shape": [1, 64, 64], "licence": "MIT", "source": "faces", "summary": "", "default": True}
    script.on("GET", "/v1/priors", as_json({"priors": [prior]}))
    expected = dpnp_client.CatalogueEntry("super_resolution", "fewer pixels", {"type": "object"})
    assert client.operators() == [expected] == client.samplers()
    assert client.priors() == [dpnp_client.Prior("faces-64", (1, 64, 64), "", "MIT", "faces", True)]
