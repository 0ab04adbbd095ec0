"""JPEG files as measurements: from the upload to the result."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api import create_app
from app.jobs import Spec
from app.problem import build_model
from app.results import write_result
from app.worker.solve import Solution
from dpnp import DPnP, Posterior
from operators.jpeg import read_jpeg
from tests.app.answers import files_of, problem
from tests.app.conftest import MakeSettings
from tests.app.helpers import Idle, npy, picture, post, spec
from tests.app.tiny import SIZE, write_tiny_prior

JPEG_ALONE = {"name": "blind_deblur_jpeg", "kernel": [[1]]}


def jpeg(channels: int = 1, size: int = SIZE, **options: Any) -> bytes:
    shape = (size, size) if channels == 1 else (size, size, 3)
    return picture(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8), "JPEG", quality=40, **options)


def test_a_files_own_coefficients_and_table_are_the_measurement(client: TestClient) -> None:
    content = jpeg()
    job = post(client, content, given=spec(operator=JPEG_ALONE)).json()
    (component,) = read_jpeg(content).components
    assert job["spec"]["operator"] == {**JPEG_ALONE, "table": component.quantisation.tolist()}
    np.testing.assert_array_equal(files_of(client).measurement(job["id"]), component.coefficients)


@pytest.mark.parametrize(("name", "subsampling"), [("4:4:4", 0), ("4:2:0", 2)])
def test_a_colour_files_own_coefficients_tables_and_subsampling_are_the_measurement(
    make_settings: MakeSettings, priors_dir: Path, name: str, subsampling: int
) -> None:
    if not (priors_dir / "rgb-16").exists():
        write_tiny_prior(priors_dir / "rgb-16", channels=3, size=16)
    content = jpeg(3, 16, subsampling=subsampling)
    with TestClient(create_app(make_settings(), engine=Idle())) as client:
        job = post(client, content, given=spec(operator=JPEG_ALONE, prior="rgb-16")).json()
        components = read_jpeg(content).components
        luma, *chroma = (c.quantisation.tolist() for c in components)
        assert job["spec"]["operator"] == {**JPEG_ALONE, "table": luma, "chroma_tables": chroma, "subsampling": name}
        measurement = files_of(client).measurement(job["id"])
    np.testing.assert_array_equal(measurement, np.concatenate([c.coefficients.ravel() for c in components]))


def test_colour_files_and_grey_priors_and_the_reverse_are_422(client: TestClient) -> None:
    grey, colour = (spec(operator=JPEG_ALONE, prior=prior) for prior in ("tiny", "tiny-rgb"))
    assert "a colour file needs a prior for colour images" in problem(post(client, jpeg(3), given=grey), 422)["detail"]
    assert "a grey file needs a prior for grey images" in problem(post(client, jpeg(1), given=colour), 422)["detail"]
    four_to_one = jpeg(3).replace(b"\x11\x08\x00\x08\x00\x08\x03\x01\x22", b"\x11\x08\x00\x08\x00\x08\x03\x01\x41")
    assert "4:2:0, got sampling" in problem(post(client, four_to_one, given=colour), 422)["detail"]


@pytest.mark.parametrize(("content", "words"), [(jpeg(3), "greyscale"), (jpeg(1, 16), "(1, 16, 16)"), (jpeg()[:-30], "end")])
def test_files_that_do_not_fit_or_are_broken_are_422(client: TestClient, content: bytes, words: str) -> None:
    assert words in problem(post(client, content, given=spec(operator=JPEG_ALONE)), 422)["detail"]


PNG = picture(np.zeros((SIZE, SIZE), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "came"), [(PNG, "PNG"), (picture(np.zeros((SIZE, SIZE), dtype=np.uint8), "TIFF"), "TIFF"), (b"", "empty")]
)
def test_other_files_than_the_jpeg_itself_are_415(client: TestClient, content: bytes, came: str) -> None:
    detail = problem(post(client, content, given=spec(operator=JPEG_ALONE)), 415)["detail"]
    assert "expected the .jpg file itself" in detail
    assert came in detail


def test_an_array_is_its_coefficients_or_refused_with_what_is_expected(client: TestClient) -> None:
    given = spec(operator=JPEG_ALONE)
    assert post(client, npy(np.zeros((1, 1, 8, 8), dtype=np.int16)), given=given).status_code == 202
    detail = problem(post(client, npy(np.zeros((1, 16, 16))), given=given), 422)["detail"]
    assert "expected the .jpg file itself" in detail
    assert "got (1, 16, 16)" in detail


def test_a_photograph_as_jpeg_stays_a_picture_for_other_operators(client: TestClient) -> None:
    assert post(client, picture(np.zeros((2, 2), dtype=np.uint8), "JPEG")).status_code == 202


def test_kernels_come_back_as_pictures_and_numbers(tmp_path) -> None:
    import torch

    kernels = torch.rand(3, 33, 33, generator=torch.Generator().manual_seed(0))
    posterior = Posterior(torch.zeros(3, 1, 40, 40), nfe=1, hidden={"kernel": kernels})
    given = Spec.model_validate(spec(operator={"name": "blind_deblur_jpeg"}))
    solution = Solution(posterior, build_model(given.operator, (1, 40, 40)), DPnP(), "cpu")
    write_result(tmp_path, given, np.zeros((5, 5, 8, 8), dtype=np.float32), solution, 1.0)
    assert {"kernel.png", "kernels.png"} <= set(json.loads((tmp_path / "result.json").read_text())["files"])
    with np.load(tmp_path / "posterior.npz") as saved:
        np.testing.assert_array_equal(saved["kernel"], kernels.numpy())


def test_jpeg_after_another_map_takes_the_array_of_coefficients(client: TestClient) -> None:
    operator = {"name": "composed", "physics": {"kind": "inpainting"}, "observation": {"kind": "jpeg", "quality": 60}}
    image = picture(np.full((SIZE, SIZE), 99, dtype=np.uint8))
    answer = client.post("/v1/simulate", files={"image": ("x", image)}, data={"spec": json.dumps({"operator": operator})})
    assert answer.status_code == 200, answer.text
    assert post(client, answer.content, given=spec(operator=operator)).status_code == 202
    decoded = post(client, jpeg(), given=spec(operator=operator))
    assert "whole numbers, the coefficients of a JPEG file" in problem(decoded, 422)["detail"]
    magnitudes = {**operator, "physics": {"kind": "fourier_magnitude"}}
    assert "a map whose output is a picture" in problem(post(client, answer.content, given=spec(operator=magnitudes)), 422)["detail"]
