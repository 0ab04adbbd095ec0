"""``dpnp train`` on a data set by name."""

from pathlib import Path

import pytest
import torch
import typer

import dpnp as library
from app.cli.train import train
from dpnp.priors import precision
from dpnp.training import Trainer, kernels


def test_kernels_are_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(kernels, "REFERENCE_KERNELS", 100)
    monkeypatch.setattr(kernels, "VALIDATION_KERNELS", 10)
    train(Path("kernels"), tmp_path / "run", steps=1, batch_size=2, channels="32,32", patch=3, precision="float32", licence="MIT")
    assert str(tmp_path / "run" / "best") in capsys.readouterr().out
    prior = library.load_prior(tmp_path / "run" / "best", device="cpu")
    assert prior.image_shape == (1, 33, 33)
    assert prior.card["kernel_scale"] == kernels.KERNEL_SCALE
    assert prior.card["licence"] == "MIT"


def test_it_starts_from_weights_that_are_not_rounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "REFERENCE_KERNELS", 100)
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda device: True)
    monkeypatch.setattr(precision, "LEAST_CPU_WEIGHTS", 1)
    assert next(library.load_prior("kernels-33", device="cpu").body.parameters()).dtype == torch.bfloat16
    seen = []

    def stop(self: Trainer, prior: library.Prior) -> None:
        seen.extend(prior.network.parameters())
        raise library.PriorError("stop here")

    monkeypatch.setattr(Trainer, "start_from", stop)
    with pytest.raises(typer.BadParameter, match="stop here"):
        train(Path("kernels"), tmp_path / "run", steps=1, batch_size=2, channels="32,32", patch=3, init="kernels-33")
    assert {weight.dtype for weight in seen} == {torch.float32}
