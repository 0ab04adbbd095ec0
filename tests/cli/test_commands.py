"""What the commands leave behind."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import dpnp as library
import operators
from app.cli.bench import benchmarks
from app.cli.usage import parse_pairs
from app.examples import ASTRONAUT
from tests.app.tiny import SIZE
from tests.cli.conftest import Dpnp

QUICK = ("--sampler-set", "n_iterations=3", "--sampler-set", "denoising_steps=2")
FILES = {"mean.png", "std.png", "samples.png", "measurement.png", "posterior.npz", "posterior.nc", "result.json", "samples"}


def test_values_are_json_or_strings() -> None:
    assert parse_pairs(["a=4", "b = 0.5", "c=fast", "d=[1, 2]", "e=x=y", "f="], "--set") == {
        "a": 4,
        "b": 0.5,
        "c": "fast",
        "d": [1, 2],
        "e": "x=y",
        "f": "",
    }


def test_simulate_writes_a_jpeg_file_that_sample_reads(dpnp: Dpnp, tmp_path: Path) -> None:
    given = ("--operator", "blind_deblur_jpeg", "--set", "kernel=[[1]]")
    assert dpnp("simulate", ASTRONAUT, *given, "--out", "y.jpg").exit_code == 0
    wrong = dpnp("simulate", ASTRONAUT, *given, "--out", "y.png")
    assert wrong.exit_code == 2
    assert "cannot be written as .png" in " ".join(wrong.output.split())
    assert dpnp("simulate", ASTRONAUT, *given, "--out", "y.npy").exit_code == 0
    y, _ = operators.BlindDeblurJPEG.read_file((tmp_path / "y.jpg").read_bytes(), (1, SIZE, SIZE)) or (None, None)
    np.testing.assert_array_equal(y, np.load(tmp_path / "y.npy"))
    with Image.open(tmp_path / "y.jpg") as picture:
        assert picture.size == (SIZE, SIZE)
    done = dpnp("sample", "y.jpg", *given, *QUICK, "--out", "posterior")
    assert done.exit_code == 0, done.output


def test_jpeg_after_another_map_is_an_array_of_coefficients(dpnp: Dpnp, tmp_path: Path) -> None:
    given = ("--operator", "composed", "--set", 'physics={"kind": "blur", "boundary": "zero"}', "--set", 'observation={"kind": "jpeg"}')
    assert dpnp("simulate", ASTRONAUT, *given, "--out", "y.npy").exit_code == 0
    assert np.load(tmp_path / "y.npy").shape == (1, 1, SIZE, SIZE)
    done = dpnp("sample", "y.npy", *given, *QUICK, "--out", "posterior")
    assert done.exit_code == 0, done.output


def test_simulate_writes_what_the_library_simulates(dpnp: Dpnp, tmp_path: Path) -> None:
    image = np.linspace(-1, 1, SIZE * SIZE, dtype=np.float32).reshape(1, SIZE, SIZE)
    np.save(tmp_path / "x.npy", image)
    done = dpnp("simulate", "x.npy", "--operator", "super_resolution", "--set", "factor=2", "--set", "noise_std=0.5", "--seed", "3")
    assert done.exit_code == 0, done.output
    assert "(1, 4, 4)" in done.output
    model = operators.SuperResolution(image_shape=(1, SIZE, SIZE), factor=2, noise_std=0.5)
    expected = model.simulate(torch.from_numpy(image), 3).numpy()
    np.testing.assert_array_equal(np.load(tmp_path / "measurement.npy"), expected)


def test_a_photograph_is_brought_to_the_priors_shape(dpnp: Dpnp, tmp_path: Path) -> None:
    assert dpnp("simulate", ASTRONAUT, "--operator", "super_resolution", "--out", "y.npy").exit_code == 0
    assert np.load(tmp_path / "y.npy").shape == (1, SIZE // 4, SIZE // 4)


def test_sample_writes_the_services_files_and_the_librarys_samples(dpnp: Dpnp, measurement: Path, priors: Path, tmp_path: Path) -> None:
    arguments = ("sample", measurement, "--operator", "super_resolution", "--n-samples", "2", "--seed", "5", *QUICK)
    done = dpnp(*arguments, "--out", "named")
    assert done.exit_code == 0, done.output
    assert {p.name for p in (tmp_path / "named").iterdir()} == FILES
    assert "3/3" in done.stderr
    assert "data_residual" in done.stdout

    prior = library.load_prior(priors / "tiny", device="cpu")
    model = operators.SuperResolution(image_shape=prior.image_shape, factor=4, noise_std=0.1)
    sampler = library.DPnP(n_iterations=3, denoising_steps=2)
    post = library.sample(prior, model, torch.from_numpy(np.load(measurement)), sampler=sampler, n_samples=2, seed=5)
    with np.load(tmp_path / "named" / "posterior.npz") as arrays:
        torch.testing.assert_close(torch.from_numpy(arrays["samples"]), post.samples)

    by_folder = dpnp(*arguments, "--out", "by_folder", "--prior", priors / "tiny")
    assert by_folder.exit_code == 0, by_folder.output
    assert json.loads((tmp_path / "by_folder" / "result.json").read_text())["prior"] == "tiny"


def test_a_file_with_a_mask_is_written_and_used(dpnp: Dpnp, tmp_path: Path) -> None:
    phase = ("--operator", "phase_retrieval")
    assert dpnp("simulate", ASTRONAUT, *phase, "--set", "mask_seed=7", "--out", "y.npz").exit_code == 0
    with np.load(tmp_path / "y.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"y", "mask"}
        np.save(tmp_path / "y.npy", arrays["y"])
    for file, seed, out in (("y.npz", (), "file"), ("y.npy", ("--set", "mask_seed=7"), "seed"), ("y.npy", (), "other")):
        done = dpnp("sample", file, *phase, *seed, "--n-samples", "1", "--out", out, *QUICK)
        assert done.exit_code == 0, done.output
    file, seed, other = (np.load(tmp_path / out / "posterior.npz")["samples"] for out in ("file", "seed", "other"))
    np.testing.assert_array_equal(file, seed)
    assert not np.array_equal(file, other)
    refused = dpnp("sample", "y.npz", *phase, "--set", "mask_seed=8", "--out", "no", *QUICK)
    assert refused.exit_code == 2
    assert "mask_seed = 8" in " ".join(refused.stderr.split())
    assert not (tmp_path / "no").exists()


def test_a_new_result_replaces_an_earlier_one_whole(dpnp: Dpnp, measurement: Path, tmp_path: Path) -> None:
    arguments = ("sample", measurement, "--operator", "super_resolution", "--out", "o", *QUICK)
    assert dpnp(*arguments, "--n-samples", "3").exit_code == 0
    assert dpnp(*arguments, "--n-samples", "1").exit_code == 0
    assert [p.name for p in (tmp_path / "o" / "samples").iterdir()] == ["0.png"]
    assert [p.name for p in tmp_path.glob("*.partial")] == []


def test_catalogues(dpnp: Dpnp, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = dpnp("operators")
    assert listed.exit_code == 0
    assert all(name in listed.output for name in operators.names())
    assert "--set noise_std=0.1" in listed.output
    assert "tiny (default): 1x8x8" in dpnp("priors").output


def test_benchmarks_are_found_and_run(tmp_path: Path, dpnp: Dpnp, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bench"
    (folder / "two").mkdir(parents=True)
    (folder / "two" / "__main__.py").touch()
    (folder / "_helper.py").touch()
    (folder / "one.py").write_text("import sys; sys.exit(int(sys.argv[1]))")
    assert benchmarks(folder) == ["one", "two"]
    monkeypatch.setattr(importlib.import_module("app.cli.bench"), "ROOT", tmp_path)
    assert dpnp("bench").output == "one\ntwo\n"
    assert dpnp("bench", "one", "7").exit_code == 7


def test_the_example_is_a_small_grey_face() -> None:
    with Image.open(ASTRONAUT) as picture:
        assert (picture.mode, picture.size) == ("L", (64, 64))
        low, high = picture.getextrema()
    assert low < 40
    assert high > 215
