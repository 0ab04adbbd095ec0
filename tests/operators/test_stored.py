"""Measurements in files with what they depend on."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import operators
from operators import MeasurementError, ShapeError, StoredMismatchError
from operators.maps.mask import Inpainting
from tests.operators.test_laws import CATALOGUE, images

SHAPE = (1, 8, 8)
RANDOM = [("phase_retrieval", "", {}), ("composed", "physics.", {"physics": {"kind": "inpainting"}})]
RANDOM += [("composed", "physics.", {"physics": {"kind": "fourier_magnitude"}, "observation": {"kind": "poisson"}})]
MODELS = pytest.mark.parametrize(("name", "prefix", "parameters"), RANDOM, ids=["phase_retrieval", "inpainting", "fourier_magnitude"])


def given(prefix: str, parameters: dict, **fields: object) -> dict:
    return {**parameters, "physics": {**parameters["physics"], **fields}} if prefix else {**parameters, **fields}


@CATALOGUE
def test_what_was_saved_is_loaded_whatever_the_model(model, tmp_path: Path) -> None:
    y = model.simulate(images(model.image_shape, 1)[0], seed=3)
    operators.save_measurement(tmp_path / "y", model, y)
    with np.load(tmp_path / "y", allow_pickle=False) as arrays:
        assert set(arrays) == {"y", *model.stored_by}
    again, loaded = operators.load_measurement(tmp_path / "y", model.name, model.parameters(), model.image_shape)
    assert torch.equal(loaded, y)
    assert {k: v.tolist() for k, v in again.stored.items()} == {k: v.tolist() for k, v in model.stored.items()}


@MODELS
def test_the_mask_of_a_file_is_used_where_the_parameters_name_none(name: str, prefix: str, parameters: dict, tmp_path: Path) -> None:
    model = operators.build(name, given(prefix, parameters, mask_seed=7), SHAPE)
    y = model.simulate(images(SHAPE, 1)[0], seed=3)
    operators.save_measurement(tmp_path / "y.npz", model, y)
    restored, _ = operators.load_measurement(tmp_path / "y.npz", name, parameters, SHAPE)
    x = images(SHAPE, 2, seed=9)
    assert torch.equal(restored.log_likelihood(x, y), model.log_likelihood(x, y))
    assert not torch.equal(operators.build(name, parameters, SHAPE).log_likelihood(x, y), model.log_likelihood(x, y))
    assert operators.build(name, restored.parameters(), SHAPE) == restored, "a mask is a parameter like the others"


@MODELS
def test_a_mask_that_the_parameters_choose_must_be_the_files(name: str, prefix: str, parameters: dict) -> None:
    seven = operators.build(name, given(prefix, parameters, mask_seed=7), SHAPE).stored["mask"].numpy()
    same = given(prefix, parameters, mask_seed=7)
    assert operators.with_stored(name, same, SHAPE, {"mask": seven}) == same
    rows = given(prefix, parameters, mask=seven.astype(int).tolist())
    assert operators.with_stored(name, rows, SHAPE, {"mask": seven}) == rows
    for field, value, words in [("mask_seed", 0, f"{prefix}mask_seed = 0"), ("mask", np.ones((8, 8), int).tolist(), f"given {prefix}mask")]:
        other = given(prefix, parameters, **{field: value})
        differ = int((operators.build(name, other, SHAPE).stored["mask"].numpy() != seven).sum())
        with pytest.raises(StoredMismatchError, match=re.escape(words) + rf" and .* file differ in {differ} of 64") as caught:
            operators.with_stored(name, other, SHAPE, {"mask": seven})
        assert caught.value.parameter == prefix + field


def test_a_part_given_as_an_object_chooses_its_mask() -> None:
    with pytest.raises(StoredMismatchError):
        operators.with_stored("composed", {"physics": Inpainting(mask_seed=1)}, SHAPE, {"mask": np.ones((8, 8))})


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (np.ones((8, 9)), ShapeError, "shape (8, 8) in the measurement's file, got (8, 9)"),
        (np.ones((1, 8, 8)), ShapeError, "got (1, 8, 8)"),
        (np.full((8, 8), np.nan), MeasurementError, "64 of 64"),
        (np.ones((8, 8), dtype=complex), MeasurementError, "real numbers in the mask of the measurement's file, got complex128"),
        (np.full((8, 8), "a"), MeasurementError, "got <U1"),
    ],
    ids=["shape", "channels", "nan", "complex", "text"],
)
@MODELS
def test_a_mask_that_cannot_be_used_is_refused(name: str, prefix: str, parameters: dict, mask, error, words) -> None:
    with pytest.raises(error, match=re.escape(words)):
        operators.with_stored(name, parameters, SHAPE, {"mask": mask})


def test_an_inpainting_mask_has_zeros_and_ones() -> None:
    with pytest.raises(MeasurementError, match=r"mask in the measurement's file cannot be used: .*0 or 1, got 2"):
        operators.with_stored("composed", {"physics": {"kind": "inpainting"}}, SHAPE, {"mask": np.full((8, 8), 2.0)})


def test_a_coded_mask_may_hold_any_numbers() -> None:
    mask = np.linspace(-1, 1, 64).reshape(8, 8)
    parameters = operators.with_stored("phase_retrieval", {}, SHAPE, {"mask": mask})
    np.testing.assert_array_equal(operators.build("phase_retrieval", parameters, SHAPE).stored["mask"].numpy(), mask)


def test_arrays_that_the_model_does_not_know_are_passed_over() -> None:
    assert operators.with_stored("super_resolution", {"factor": 2}, SHAPE, {"mask": np.ones(3), "truth": np.ones(4)}) == {"factor": 2}
    assert operators.with_stored("phase_retrieval", {}, SHAPE, {"truth": np.ones(4)}) == {}


def test_a_given_coded_mask_of_another_size_is_refused_at_once() -> None:
    with pytest.raises(ShapeError, match=r"\(8, 8\), got \(1, 2\)"):
        operators.PhaseRetrieval(image_shape=SHAPE, mask=[[1, 0]])


def test_only_measurements_are_saved_and_loaded(tmp_path: Path) -> None:
    model, path = operators.PhaseRetrieval(image_shape=SHAPE), tmp_path / "y.npz"
    with pytest.raises(ShapeError):
        operators.save_measurement(path, model, torch.zeros(3))
    assert not path.exists()
    for arrays in ({"x": np.zeros(3)}, {"y": np.array([object()])}, {"y": np.zeros((1, 16, 16), dtype=np.uint8)}):
        np.savez(path, **arrays)
        with pytest.raises(MeasurementError, match="y"):
            operators.load_measurement(path, "phase_retrieval", {}, SHAPE)
    path.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(MeasurementError, match=r"expected an \.npz file"):
        operators.load_measurement(path, "phase_retrieval", {}, SHAPE)
