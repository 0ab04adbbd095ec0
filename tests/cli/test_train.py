"""``dpnp train`` on a data set by name."""

from pathlib import Path

import pytest

import dpnp as library
from app.cli.train import train
from dpnp.training import kernels


def test_kernels_are_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(kernels, "REFERENCE_KERNELS", 100)
    monkeypatch.setattr(kernels, "VALIDATION_KERNELS", 10)
    train(Path("kernels"), tmp_path / "run", steps=1, batch_size=2, channels="32,32", patch=3, precision="float32", licence="MIT")
    assert str(tmp_path / "run" / "best") in capsys.readouterr().out
    prior = library.load_prior(tmp_path / "run" / "best", device="cpu")
    assert prior.image_shape == (1, 33, 33)
    assert prior.card["kernel_scale"] == kernels.KERNEL_SCALE
    assert prior.card["licence"] == "MIT"
