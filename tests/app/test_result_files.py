"""The files of a result: what they promise is in them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray
from PIL import Image

from app.jobs import JobStatus
from app.results import pictures
from tests.app.attempts import MakeWorker, add

pytestmark = pytest.mark.usefixtures("arviz")


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image, dtype=float)


def test_the_result_files_say_what_they_promise(make_worker: MakeWorker) -> None:
    worker = make_worker()
    job_id = add(worker, n_samples=3)
    worker.work_once()
    folder = worker.files.result(job_id, 1)
    with np.load(folder / "posterior.npz") as arrays:
        found = dict(arrays)
    assert found["samples"].shape == (3, 1, 8, 8)
    np.testing.assert_allclose(found["mean"], found["samples"].mean(0), atol=1e-6)
    np.testing.assert_allclose(found["std"], found["samples"].std(0, ddof=1), atol=1e-6)
    for name, image in {"mean.png": found["mean"], "samples/2.png": found["samples"][2]}.items():
        shown = opened(folder / name) / 127.5 - 1
        np.testing.assert_allclose(shown, np.clip(image[0], -1, 1), atol=0.5 / 127.5 + 1e-6)
    assert opened(folder / "samples.png").shape == (2 * 8 + pictures.GAP, 2 * 8 + pictures.GAP)
    assert min(opened(folder / "std.png").shape[:2]) > 300
    assert opened(folder / "measurement.png").shape == (2, 2)
    with xarray.open_dataset(folder / "posterior.nc", group="posterior") as data:
        np.testing.assert_array_equal(data["x"].to_numpy().reshape(3, 1, 8, 8), found["samples"])


def test_the_summary_makes_the_result_reproducible(make_worker: MakeWorker) -> None:
    worker = make_worker()
    job_id = add(worker, operator={"name": "super_resolution"}, seed=7, n_samples=1, prior="tiny")
    worker.work_once()
    if worker.store.get(job_id).status is JobStatus.FAILED:
        pytest.fail(str(worker.store.get(job_id).error))
    summary = json.loads((worker.files.result(job_id, 1) / "result.json").read_text())
    assert {"name": "super_resolution", "factor": 4, "noise_std": 0.1}.items() <= summary["operator"].items()
    assert summary["sampler"]["n_iterations"] == 4
    assert (summary["seed"], summary["nfe"], summary["n_samples"], summary["device"]) == (7, 8, 1, "cpu")
    assert summary["versions"]["torch"] == str(torch.__version__)
    assert summary["timings"]["total_seconds"] > 0
    assert all(math.isfinite(value) for value in summary["diagnostics"].values())
    assert {"mean.png", "std.png", "samples.png", "samples/0.png", "posterior.npz", "posterior.nc"} <= set(summary["files"])


def test_a_picture_of_nan_is_an_error() -> None:
    with pytest.raises(ValueError, match="NaN"):
        pictures.to_bytes(np.full((1, 2, 2), np.nan))


def test_pictures_map_the_scale_to_eight_bits() -> None:
    values = np.array([[[-1, 1], [0, -5]]], dtype=np.float32)
    np.testing.assert_array_equal(pictures.to_bytes(values), [[0, 255], [128, 0]])
    assert pictures.to_bytes(np.zeros((3, 2, 5))).shape == (2, 5, 3)
