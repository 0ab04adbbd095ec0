"""``dpnp train``: data sets by name and from pictures, resumed runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import Result

import dpnp as library
from app.cli import app
from app.cli.train import train
from dpnp.priors import precision
from dpnp.priors.load import SHIPPED
from dpnp.training import Trainer, kernels
from tests.cli.conftest import Dpnp
from tests.cli.test_usage import refused

DOCUMENT = Path(__file__).parents[2] / "docs" / "priors.md"
TINY = ("--batch-size", 2, "--channels", "32,32", "--precision", "float32", "--sample-images", 0)


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


def write_pictures(folder: Path) -> Path:
    """Five grey pictures of different sizes."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        Image.fromarray(rng.integers(0, 255, (9 + i, 12), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


def train_tiny(dpnp: Dpnp, pictures: Path, *arguments: Any) -> Result:
    return dpnp("train", pictures, "--out", "run", "--size", 8, *TINY, *arguments)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures")


@pytest.fixture
def run(dpnp: Dpnp, pictures: Path, tmp_path: Path) -> Path:
    """The folder of a run of one step."""
    done = train_tiny(dpnp, pictures, "--steps", 1)
    assert done.exit_code == 0, done.output
    return tmp_path / "run"


def test_a_folder_of_pictures_becomes_a_prior_and_its_run_goes_on(dpnp: Dpnp, run: Path, pictures: Path) -> None:
    assert library.load_prior(run / "best", device="cpu").card["training"]["steps"] == 1
    done = train_tiny(dpnp, pictures, "--steps", 3, "--resume", "--validate-every", 1, "--ema-decay", 0.5)
    assert done.exit_code == 0, done.output
    assert "the prior is in run/best" in done.output
    assert [step for step in range(5) if f"step {step}: denoising PSNR on 1 validation images" in done.output] == [2, 3]
    prior = library.load_prior(run / "best", device="cpu")
    assert prior.image_shape == (1, 8, 8)
    training = prior.card["training"]
    assert training["data"] == "pictures"
    assert training["train_images"] == 4
    assert (training["config"]["validate_every"], training["config"]["ema_decay"]) == (1, 0.5)


def test_the_progress_line_has_no_score_before_the_first_check(dpnp: Dpnp, pictures: Path) -> None:
    done = train_tiny(dpnp, pictures, "--steps", 1)
    assert "loss" in done.stderr
    assert "inf" not in done.stderr


def test_a_run_does_not_go_on_with_another_network(dpnp: Dpnp, run: Path, pictures: Path) -> None:
    before = (run / "checkpoint.pt").read_bytes()
    wider = train_tiny(dpnp, pictures, "--steps", 2, "--resume", "--channels", "32,64")
    refused(wider, r"another network: channels is \[32, 32\] there and \[32, 64\] here")
    refused(train_tiny(dpnp, pictures, "--steps", 2, "--resume", "--patch", 1), "another network: patch is 2 there and 1 here")
    larger = train_tiny(dpnp, pictures, "--steps", 2, "--resume", "--size", 16)
    refused(larger, r"another network: linear.mean is \(1, 8, 8\) there and \(1, 16, 16\) here")
    assert (run / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("kept", [0, 100, -200])
def test_a_checkpoint_that_was_cut_is_a_message(dpnp: Dpnp, run: Path, pictures: Path, kept: int) -> None:
    whole = (run / "checkpoint.pt").read_bytes()
    (run / "checkpoint.pt").write_bytes(whole[:kept])
    refused(train_tiny(dpnp, pictures, "--steps", 2, "--resume"), "checkpoint.pt is no whole checkpoint: ")


def test_another_file_is_no_checkpoint(dpnp: Dpnp, run: Path, pictures: Path) -> None:
    torch.save({"model": {}}, run / "checkpoint.pt")
    refused(train_tiny(dpnp, pictures, "--steps", 2, "--resume"), "expected config, ema, model, optimizer, progress")


def test_what_cannot_begin_writes_nothing(dpnp: Dpnp, pictures: Path, tmp_path: Path) -> None:
    refused(train_tiny(dpnp, pictures, "--steps", 2, "--resume"), "run holds no checkpoint to resume")
    refused(train_tiny(dpnp, pictures, "--steps", 2, "--ema-decay", 1), "ema_decay: .*less than 1")
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").write_text("precious")
    refused(train_tiny(dpnp, pictures, "--steps", 2), "is a file")


def test_every_option_is_documented() -> None:
    command = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]  # of a group
    text = DOCUMENT.read_text()
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
    assert "--resume" in options
    assert [option for option in options if f"`{option}`" not in text] == []


def test_every_field_of_a_card_is_documented() -> None:
    text = DOCUMENT.read_text()
    fields = {field for card in SHIPPED.glob("*/card.json") for field in json.loads(card.read_text())}
    assert {"spectrum", "kernel_scale"} <= fields
    assert [field for field in sorted(fields) if f"`{field}`" not in text.split("## Noise levels")[0]] == []
