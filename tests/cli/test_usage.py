"""Wrong usage: exit code 2, a message that names the cause, no traceback."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import app.cli
from app.examples import ASTRONAUT
from tests.cli.conftest import Dpnp

COMMANDS = ["serve", "demo", "simulate", "sample", "operators", "priors", "train", "bench", "keys"]
SR = ("--operator", "super_resolution")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(dpnp: Dpnp, command: str) -> None:
    done = dpnp(command, "--help")
    assert done.exit_code == 0
    assert done.output.startswith("Usage:")
    assert command in dpnp("--help").output


def test_the_installed_script_is_the_command() -> None:
    with open(Path(__file__).parents[2] / "pyproject.toml", "rb") as file:
        script = tomllib.load(file)["project"]["scripts"]["dpnp"]
    module, _, name = script.partition(":")
    assert getattr(importlib.import_module(module), name) is app.cli.app


def test_help_is_fast_because_it_imports_nothing_heavy() -> None:
    code = "import sys, app.cli; print([m for m in ('torch', 'numpy', 'fastapi', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_picture_is_not_the_jpeg_file_itself(dpnp: Dpnp) -> None:
    done = dpnp("sample", ASTRONAUT, "--operator", "blind_deblur_jpeg", "--set", "kernel=[[1]]", "--out", "posterior")
    assert done.exit_code == 2
    message = " ".join(done.stderr.replace("│", " ").split())
    assert "expected the .jpg file itself" in message
    assert "got a file of the kind PNG" in message


SIMULATE: list[tuple[tuple[Any, ...], str]] = [
    (("--operator", "nonsense"), "known: .*super_resolution"),
    ((*SR, "--prior", "nobody"), "known: .*tiny"),
    ((*SR, "--set", "factor"), "name=value"),
    ((*SR, "--set", "=4"), "name=value"),
    ((*SR, "--set", "factor=2", "--set", "factor=4"), "twice"),
    ((*SR, "--set", "factor=three"), "operator.factor"),
    ((*SR, "--set", "factor=3"), "must divide"),
    ((*SR, "--set", "noise_std=-1"), "operator.noise_std"),
    ((*SR, "--set", "noise_std=NaN"), "NaN"),
    ((*SR, "--set", "nonsense=1"), "operator.nonsense"),
    ((*SR, "--set", "image_shape=[1,8,8]"), "operator.image_shape"),
    ((*SR, "--set", "name=linear"), "cannot be called name"),
    ((*SR, "--seed", "-1"), "--seed"),
    ((*SR, "--out", "no/such/folder/y.npy"), "cannot write"),
    ((), "--operator"),
]


@pytest.mark.parametrize(("arguments", "message"), SIMULATE, ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_bad_arguments_of_simulate(dpnp: Dpnp, arguments: tuple[Any, ...], message: str) -> None:
    refused(dpnp("simulate", ASTRONAUT, *arguments), message)


def test_unreadable_images(dpnp: Dpnp, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "cut.png").write_bytes(ASTRONAUT.read_bytes()[:500])
    for path, message in {"text.png": "expected a file of", "cut.png": "truncated", "absent.png": "No such file", ".": "directory"}.items():
        refused(dpnp("simulate", path, *SR), message)


def test_bad_arguments_of_sample(dpnp: Dpnp, measurement: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("keep")
    np.save(tmp_path / "shape.npy", np.zeros((1, 3, 3), np.float32))
    np.save(tmp_path / "nan.npy", np.full((1, 2, 2), np.nan, np.float32))
    for arguments, message in [
        ((measurement, *SR), "--out"),
        ((measurement, *SR, "--out", "full"), "holds other files"),
        ((measurement, *SR, "--out", measurement), "is a file"),
        ((measurement, *SR, "--out", "o", "--n-samples", "0"), "--n-samples"),
        ((measurement, *SR, "--out", "o", "--sampler", "nonsense"), "known: .*dpnp"),
        ((measurement, *SR, "--out", "o", "--sampler-set", "n_iterations=0"), "sampler.n_iterations"),
        ((measurement, "--operator", "nonsense", "--out", "o"), "known: .*super_resolution"),
        (("absent.npy", *SR, "--out", "o"), "No such file"),
        (("shape.npy", *SR, "--out", "o"), r"\(1, 2, 2\).*\(1, 3, 3\)"),
        (("nan.npy", *SR, "--out", "o"), "NaN"),
    ]:
        refused(dpnp("sample", *arguments), message)
    assert (tmp_path / "full" / "precious.txt").read_text() == "keep"
    assert not (tmp_path / "o").exists()


def test_bad_settings_of_serve(dpnp: Dpnp, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(dpnp("serve", "--port", "70000"), "--port")
    monkeypatch.setenv("DPNP_WORKERS", "many")
    refused(dpnp("serve"), "DPNP_WORKERS")


def test_a_job_store_of_no_use_is_a_message(dpnp: Dpnp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPNP_DATABASE_URL", "mysql://user:secret@host/x")
    refused(dpnp("serve", "--port", "0"), "DPNP_DATABASE_URL")
    monkeypatch.setenv("DPNP_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    result = dpnp("serve", "--port", "0")
    assert result.exit_code == 1
    assert "the job store cannot be reached" in result.stderr


def test_bad_arguments_of_train(dpnp: Dpnp, tmp_path: Path) -> None:
    images = np.zeros((2, 8, 8), np.uint8)
    np.savez(tmp_path / "faces.npz", train=images, val=images)
    np.savez(tmp_path / "half.npz", train=images)
    refused(dpnp("train", "absent.npz", "--out", "run"), "absent.npz")
    refused(dpnp("train", "half.npz", "--out", "run"), "lacks .*val")
    refused(dpnp("train", "faces.npz", "--out", "run", "--channels", "many"), "channels")
    refused(dpnp("train", "faces.npz", "--out", "run", "--precision", "float8"), "precision")
    assert not (tmp_path / "run").exists()


def test_unknown_benchmark_and_command(dpnp: Dpnp) -> None:
    refused(dpnp("bench", "nonsense"), "unknown benchmark 'nonsense'")
    refused(dpnp("nonsense"), "No such command")


def refused(done: Any, message: str) -> None:
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.output
    assert re.search(message, done.output, re.DOTALL), done.output
