"""Masks that are kept beside a measurement, from the simulation to the posterior."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import dpnp
import operators
from app.jobs import JobStatus, Spec
from app.store import NewJob
from app.uploads import TooManyPixelsError, UnreadableFileError, decode, decode_measurement
from app.uploads.sandbox import Sandbox
from app.worker.solve import solve
from tests.app.answers import files_of, folders, paths, problem
from tests.app.attempts import MakeWorker, at_step, samples
from tests.app.helpers import npy, picture, post, spec
from tests.app.tiny import SIZE

SHAPE = (1, SIZE, SIZE)
PHASE = {"name": "phase_retrieval", "noise_std": 0.1}
INPAINTING = {"name": "composed", "physics": {"kind": "inpainting"}}
SEVEN = operators.PhaseRetrieval(image_shape=SHAPE, mask_seed=7).stored["mask"].numpy()
Y = np.full((1, 2 * SIZE, 2 * SIZE), 0.4, dtype=np.float32)
PLENTY = {"seconds": 30, "memory": 2**29}


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def simulate(client: TestClient, operator: dict[str, Any], query: str = "?format=npz") -> Any:
    image = picture(np.arange(64, dtype=np.uint8).reshape(8, 8))
    return client.post(f"/v1/simulate{query}", files={"image": ("x", image)}, data={"spec": json.dumps({"operator": operator})})


@pytest.mark.parametrize("operator", [PHASE, INPAINTING], ids=["phase_retrieval", "inpainting"])
def test_a_simulated_file_holds_the_mask_and_a_job_keeps_it(client: TestClient, operator: dict[str, Any]) -> None:
    seeded = {**operator, "mask_seed": 7} if operator is PHASE else {**operator, "physics": {"kind": "inpainting", "mask_seed": 7}}
    answer = simulate(client, seeded)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="measurement.npz"'
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as arrays:
        assert set(arrays) == {"y", "mask"}
        mask, y = arrays["mask"], arrays["y"]
    np.testing.assert_array_equal(y, np.load(io.BytesIO(simulate(client, seeded, "").content)))
    job = post(client, answer.content, spec(operator=operator))
    assert job.status_code == 202, job.text
    np.testing.assert_array_equal(files_of(client).stored(job.json()["id"])["mask"], mask)
    np.testing.assert_array_equal(files_of(client).measurement(job.json()["id"]), y)
    assert post(client, answer.content, spec(operator=seeded)).status_code == 202


def test_formats_of_a_simulation(client: TestClient) -> None:
    sr = {"name": "super_resolution"}
    assert set(np.load(io.BytesIO(simulate(client, sr).content))) == {"y"}
    assert simulate(client, sr, "?format=npy").content == simulate(client, sr, "").content
    assert paths(problem(simulate(client, sr, "?format=csv"), 422)) == ["query.format"]


@pytest.mark.parametrize(
    ("operator", "path"),
    [
        ({**PHASE, "mask_seed": 3}, "operator.mask_seed"),
        ({**PHASE, "mask": "none"}, "operator.mask"),
        ({**PHASE, "mask": np.ones(SHAPE[1:]).tolist()}, "operator.mask"),
        ({"name": "composed", "physics": {"kind": "fourier_magnitude", "mask_seed": 3}}, "operator.physics.mask_seed"),
    ],
)
def test_another_mask_in_the_spec_is_an_error_at_its_field(client: TestClient, operator: dict[str, Any], path: str) -> None:
    found = problem(post(client, npz(y=Y, mask=SEVEN), spec(operator=operator)), 422)
    assert paths(found) == [path]
    assert "in the measurement's file differ" in found["detail"]
    assert folders(client) == []


@pytest.mark.parametrize(
    ("mask", "status", "words"),
    [
        (np.ones((3, 3)), 422, "got (3, 3)"),
        (np.where(SEVEN == 0, np.inf, 1), 422, "finite numbers in the mask"),
        (SEVEN.astype(complex), 415, "mask.npy in the .npz file: expected an array of real numbers, got dtype complex128"),
        (np.full(SHAPE[1:], "one"), 415, "got dtype <U3"),
    ],
    ids=["shape", "infinite", "complex", "text"],
)
def test_a_mask_that_cannot_be_used_is_a_problem(client: TestClient, mask: np.ndarray, status: int, words: str) -> None:
    assert words in problem(post(client, npz(y=Y, mask=mask), spec(operator=PHASE)), status)["detail"]
    assert folders(client) == []


def test_members_that_the_operator_does_not_know_are_passed_over(client: TestClient) -> None:
    """Among them what would be refused as a mask."""
    job = post(client, npz(y=np.zeros((1, 2, 2)), mask=np.array(["x"]), truth=np.zeros(3)))
    assert job.status_code == 202, job.text
    assert files_of(client).stored(job.json()["id"]) == {}


@pytest.mark.parametrize("mask", [SEVEN, SEVEN.astype(np.int8), SEVEN.astype(np.float32), SEVEN != 0, (SEVEN != 0).astype(np.uint8)])
def test_a_mask_is_read_without_scaling(mask: np.ndarray) -> None:
    found = decode_measurement(npz(y=Y, mask=mask), 1000, ["mask", "other"])
    np.testing.assert_array_equal(found.stored["mask"], mask.astype(float))
    assert (list(found.stored), found.stored["mask"].dtype) == (["mask"], np.float64)
    np.testing.assert_array_equal(found.array, Y)


def test_only_what_is_asked_for_is_read_and_only_from_npz_files() -> None:
    assert decode_measurement(npz(y=Y, mask=SEVEN), 1000).stored == {}
    assert decode_measurement(npy(Y), 1000, ["mask"]).stored == {}
    only = decode_measurement(npz(mask=SEVEN), 1000, ["mask"])
    assert (only.array.shape, only.stored) == (SEVEN.shape, {}), "an only array is the measurement"


def test_the_sandbox_reads_masks_as_the_library() -> None:
    sandbox, content = Sandbox(), npz(y=Y, mask=SEVEN / 3)
    try:
        found = sandbox.decode_measurement(content, 1000, ["mask"], **PLENTY)
        np.testing.assert_array_equal(found.stored["mask"], SEVEN / 3)
        np.testing.assert_array_equal(found.array, decode(content, 1000))
        with pytest.raises(TooManyPixelsError, match=r"mask\.npy"):
            sandbox.decode_measurement(content, Y.size + SEVEN.size - 1, ["mask"], **PLENTY)
    finally:
        sandbox.stop()


def test_the_size_of_a_mask_is_judged_before_memory_is_taken() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("y.npy", npy(Y))
        archive.writestr("mask.npy", npy(np.zeros(1_000_000)))
    with pytest.raises(TooManyPixelsError, match=r"mask\.npy"):
        decode_measurement(stream.getvalue(), 1000, ["mask"])
    with pytest.raises(UnreadableFileError, match="pickled"):
        decode_measurement(npz(y=Y, mask=np.array([object()])), 1000, ["mask"])


def test_a_resumed_job_has_its_mask(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch, priors_dir: Path, arviz: None) -> None:
    """A job that goes back to the queue in its middle has, in the end, the posterior of the file's mask, and not of the seed's."""
    first = make_worker("first")
    given = spec(operator=PHASE)
    first.files.create("a", Y, {"mask": SEVEN})
    first.store.insert(NewJob("a", Spec.model_validate(given)), max_queue=10)
    at_step(monkeypatch, 3, lambda run: run.worker.watcher.stopping.set())
    first.work_once()
    assert first.store.get("a").status is JobStatus.QUEUED
    second = make_worker("second")
    assert second.files.load_checkpoint("a") is not None
    second.work_once()
    job = second.store.get("a")
    assert job.status is JobStatus.SUCCEEDED, job.error
    prior = dpnp.load_prior(priors_dir / "tiny", device="cpu")
    seeded = solve(Spec.model_validate(spec(operator={**PHASE, "mask_seed": 7})), Y, prior).posterior.samples.numpy()
    default = solve(Spec.model_validate(given), Y, prior).posterior.samples.numpy()
    np.testing.assert_array_equal(samples(second, job), seeded)
    assert not np.array_equal(seeded, default)
    _, token = second.store.get_with_token("a")
    summary = json.loads((second.files.result("a", token) / "result.json").read_text())
    assert summary["operator"]["mask"] == SEVEN.tolist()
