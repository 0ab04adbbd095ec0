"""The demonstration from end to end: a real service, the real client, a prior with random weights."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dpnp as library
from app.demo import DemoError, run_demo
from app.demo.figure import save_overview
from app.demo.summary import psnr
from tests.app.tiny import SIZE
from tests.cli.conftest import Dpnp


def test_demo_leaves_pictures_posterior_and_summary(dpnp: Dpnp, tmp_path: Path) -> None:
    done = dpnp("demo", "--prior", "tiny", "--n-samples", "3")
    assert done.exit_code == 0, done.output
    out = tmp_path / "demo"
    expected = {"measurement.png", "mean.png", "std.png", "samples.png", "posterior.npz", "summary.json"}
    assert {p.name for p in out.iterdir()} == expected
    for name in expected & {p.name for p in out.glob("*.png")}:
        with Image.open(out / name) as picture:
            picture.load()
    assert "succeeded" in done.stderr  # the bar's last state
    with np.load(out / "posterior.npz") as arrays:
        assert arrays["samples"].shape == (3, 1, SIZE, SIZE)
        np.testing.assert_allclose(arrays["samples"].mean(0), arrays["mean"], atol=1e-6)
    summary = json.loads((out / "summary.json").read_text())
    assert len(summary["psnr_samples_db"]) == summary["n_samples"] == 3
    assert summary["denoiser_calls"] == 3 * summary["denoiser_calls_per_sample"] > 0
    assert all(math.isfinite(summary[key]) for key in ("psnr_mean_db", "data_residual", "seconds"))


def test_demo_names_the_known_priors(dpnp: Dpnp) -> None:
    done = dpnp("demo", "--prior", "nobody")
    assert done.exit_code == 2
    assert "tiny" in done.output
    assert "Traceback" not in done.output


def test_a_service_that_does_not_start_shows_its_last_words(monkeypatch: pytest.MonkeyPatch, priors: Path, tmp_path: Path) -> None:
    monkeypatch.setenv("DPNP_THREADS", "many")
    with pytest.raises(DemoError, match=r"(?s)status 2 .*DPNP_THREADS") as caught:
        run_demo(tmp_path / "demo", n_samples=1, prior=library.list_priors(priors)[0])
    assert "Traceback" not in str(caught.value)
    assert not (tmp_path / "demo").exists()


def test_psnr_of_a_known_error() -> None:
    truth = np.zeros((1, 4, 4), np.float32)
    assert psnr(truth + 0.2, truth) == pytest.approx(20.0)  # 10 log10(2² / 0.2²)
    assert psnr(truth, truth) == math.inf


@pytest.mark.parametrize(("count", "channels"), [(1, 1), (4, 3), (5, 1)])
def test_overview_of_any_number_of_samples(tmp_path: Path, count: int, channels: int) -> None:
    image = np.zeros((channels, 8, 8), np.float32)
    save_overview(tmp_path / "o.png", truth=image, measurement=image[:, :2, :2], mean=image, std=image, samples=np.stack([image] * count))
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.height == pytest.approx(2.45 * 110 * (1 + math.ceil(count / 4)), abs=2)
