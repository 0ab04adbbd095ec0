"""The speed benchmark, on the CPU with a network of a few thousand weights."""

import json
import time

import pytest
import torch

from bench.speed.__main__ import main
from bench.speed.clock import TimedPrior, peak_flops, seconds_per_call
from bench.speed.models import FFHQ_256, IMAGENET_256, model
from dpnp.priors import Gaussian
from dpnp.priors.adm.architecture import recognise
from tests.dpnp.priors import plain_adm

CPU = torch.device("cpu")


def test_the_published_architectures_are_the_files():
    assert recognise(plain_adm.shapes(plain_adm.FFHQ_10M)) == FFHQ_256
    assert recognise(plain_adm.shapes(plain_adm.IMAGENET_256)) == IMAGENET_256


def test_every_column_is_measured(tmp_path, monkeypatch):
    arguments = ["--models", "tiny", "--batches", "2", "--device", "cpu", "--iterations", "1", "--seconds", "0.01"]
    asked = ["super_resolution", "phase_retrieval"]
    monkeypatch.setattr("sys.argv", ["speed", *arguments, "--operators", *asked, "--out", str(tmp_path)])
    main()
    rows = json.loads((tmp_path / "speed.json").read_text())
    assert [row["operator"] for row in rows] == asked
    positive = ("calls_per_second", "gflop_per_call", "peak_tflops", "utilisation", "mb_per_sample", "seconds_per_sample")
    for row in rows:
        assert (row["model"], row["batch"], row["precision"]) == ("tiny", 2, "float32")
        assert all(row[key] > 0 for key in positive)
        assert 0 <= row["overhead"] < 1
    assert rows[0]["overhead"] < rows[1]["overhead"], "21 gradients of the likelihood in every iteration"
    assert "s per posterior sample" in (tmp_path / "speed.md").read_text()


def test_any_prior_can_be_measured_and_others_are_refused(tmp_path, monkeypatch, capsys):
    assert model("kernels-33", CPU).image_shape == (1, 33, 33)
    monkeypatch.setattr("sys.argv", ["speed", "--models", "nothing-like-it", "--device", "cpu", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert "nothing-like-it" in capsys.readouterr().err


def test_time_in_the_denoiser_is_counted():
    class Slow(Gaussian):
        def denoise(self, x, sigma):
            time.sleep(0.02)
            return super().denoise(x, sigma)

    timed = TimedPrior(Slow(torch.zeros(1), torch.eye(1), (1, 1, 1)))
    for _ in range(3):
        timed.denoise(torch.zeros(1, 1, 1, 1), torch.ones(1))
    assert timed.seconds >= 0.06


def test_clocks():
    assert seconds_per_call(lambda: time.sleep(0.01), CPU, 0.05) >= 0.01
    assert peak_flops(CPU, torch.float32, 0.01) == pytest.approx(1e10, rel=1000)
