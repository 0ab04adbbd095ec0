"""The faces benchmark: its metrics know the answers, and its command writes table and pictures. Fake weights: nothing is downloaded."""

import json
import math
import pickle

import numpy as np
import pytest
import torch

import dpnp
from bench._problems import random_covariance
from bench.faces import lpips, metrics
from bench.faces.__main__ import main
from bench.faces.cells import Bench
from bench.faces.data import TUNING, Faces
from bench.faces.methods import METHODS, Method
from bench.faces.tasks import TASKS
from dpnp.priors import Gaussian
from tests.app.tiny import write_tiny_prior
from tests.bench.fake_lpips import random_weights, write_weights


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_lpips_is_a_distance_and_linear_in_its_heads(tmp_path):
    metric = lpips.load(write_weights(tmp_path))
    a, b = (lpips.as_photographs(0.3 * normal(2, 1, 16, 16, seed=s)) for s in (0, 1))
    assert a.shape == (2, 3, lpips.SIZE, lpips.SIZE)
    assert torch.equal(metric(a, a), torch.zeros(2))
    assert (metric(a, b) > 0.01).all()
    assert torch.allclose(metric(a, b), metric(b, a))
    weights = random_weights()
    for i in range(5):
        weights[f"NetLinLayer_{i}"]["Conv_0"]["kernel"] *= 2
    assert torch.allclose(lpips.LPIPS(weights, "alexnet")(a, b), 2 * metric(a, b))


def test_lpips_of_constant_images_by_hand():
    """With one input channel seen through delta kernels, a stage's features of constant images are known."""
    weights = random_weights()
    for layer in weights["AlexNet_0"].values():
        layer["kernel"][:], layer["bias"][:] = 0, 1
    first = weights["AlexNet_0"]["Conv_0"]
    first["bias"][:] = np.eye(4, dtype=np.float32)[0]
    first["kernel"][5, 5, 0, 1] = 1  # feature 1 is the first colour channel at the window's middle
    a, b = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    b[:, 0] = 0.428  # (0.428 + 0.030) / 0.458 = 1
    u, v = (np.array([1, t]) / math.hypot(1, t) for t in (0.030 / 0.458, 1.0))
    head = weights["NetLinLayer_0"]["Conv_0"]["kernel"].flatten()[:2]
    assert lpips.LPIPS(weights, "alexnet")(a, b).item() == pytest.approx(float(head @ (u - v) ** 2), rel=1e-4)


def test_a_pickle_that_is_more_than_arrays_is_refused(tmp_path):
    (tmp_path / "alexnet.ckpt").write_bytes(pickle.dumps(print))
    with pytest.raises(pickle.UnpicklingError, match=r"arrays alone, got builtins\.print"):
        lpips.load(tmp_path)


def test_psnr_counts_the_range_from_minus_one_to_one():
    x = normal(1, 8, 8)
    assert metrics.psnr(x + 0.2, x) == pytest.approx(20.0, abs=1e-4)


def test_ssim_is_scikit_images():
    """0.67353 is structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=2) on these images."""
    g = torch.Generator().manual_seed(0)
    a = torch.rand(1, 24, 20, generator=g) * 2 - 1
    b = a + 0.3 * torch.randn(1, 24, 20, generator=g)
    assert metrics.ssim(a[None], a) == pytest.approx(1)
    # scikit-image averages over all pixels but a border of five, which are those whose window is inside the image
    assert metrics.ssim(b[None], a) == pytest.approx(0.67353, abs=1e-5)
    assert metrics.ssim(torch.stack([a, b]), a) == pytest.approx((1 + 0.67353) / 2, abs=1e-5)


def test_crps_of_normal_samples_is_the_closed_form_for_any_number_of_samples():
    # E|X - t| - E|X - X'|/2 for X ~ N(0, 1) at t = 0.7: t (2 Phi(t) - 1) + 2 phi(t) - 1/sqrt(pi)
    t = 0.7
    expected = t * math.erf(t / 2**0.5) + 2 * math.exp(-(t**2) / 2) / math.sqrt(2 * math.pi) - 1 / math.sqrt(math.pi)
    for n in (2, 5):
        # 40,000 pixels, each of standard deviation below 1: standard error below 0.005
        assert metrics.crps(normal(n, 1, 200, 200), torch.full((1, 200, 200), t)) == pytest.approx(expected, abs=0.015)


def write_faces(path, n=TUNING + 2, size=16, name="val"):
    rng = np.random.default_rng(0)
    np.savez(path, **{name: rng.integers(0, 256, (n, size, size), dtype=np.uint8)})
    return path


def test_faces_are_scored_and_tuned_on_apart(tmp_path):
    faces = Faces.read(write_faces(tmp_path / "faces.npz"), 2, (1, 16, 16))
    assert faces.scored.shape == (2, 1, 16, 16)
    assert faces.tuning.shape == (TUNING, 1, 16, 16)
    assert not torch.isin(faces.scored, faces.tuning).all()
    assert faces.scored.min() >= -1
    for arguments, message in (
        ((tmp_path / "faces.npz", 3, (1, 16, 16)), "more than the 6"),
        ((tmp_path / "faces.npz", 2, (1, 8, 8)), r"\(1, 8, 8\).* holds \(1, 16, 16\)"),
        ((write_faces(tmp_path / "other.npz", name="train"), 2, (1, 16, 16)), "'val'.*got train"),
    ):
        with pytest.raises(ValueError, match=message):
            Faces.read(*arguments)


@pytest.fixture(scope="module")
def gaussian_bench():
    """A Gaussian prior on 16 x 16 images, with the mean absolute difference for a distance."""
    covariance = 0.3 * random_covariance(256, torch.Generator().manual_seed(0))
    prior = Gaussian(torch.zeros(256, dtype=torch.float64), covariance, (1, 16, 16))
    return Bench(prior, lambda a, b: (a - b).abs().mean((1, 2, 3)), samples=10, calls=20)


def test_a_cell_of_an_exact_prior_is_calibrated(gaussian_bench):
    model = TASKS["super_resolution"].model((1, 16, 16))
    faces = gaussian_bench.prior.sample(3, torch.Generator().manual_seed(1))
    numbers, samples = gaussian_bench.cell(model, METHODS["DPnP-DDIM"], faces, faces[:0])
    # 768 pixels, most of them nearly independent: standard error about 0.012
    assert numbers["coverage_90"] == pytest.approx(0.9, abs=0.05)
    assert numbers["denoiser_calls"] == 64
    assert numbers["gradient_calls"] == 0
    assert numbers["psnr_mean"] > numbers["psnr"] + 1
    assert samples.shape == (3, 10, 1, 16, 16)
    truth = faces[:, None].expand_as(samples)
    assert numbers["lpips"] == pytest.approx((samples - truth).abs().mean().item())


def test_a_baseline_is_tuned_on_the_faces_that_it_is_given_and_its_divergence_counted(gaussian_bench):
    model = TASKS["super_resolution"].model((1, 16, 16))
    faces = gaussian_bench.prior.sample(3, torch.Generator().manual_seed(1))
    tuned, _ = gaussian_bench.cell(model, METHODS["DPS"], faces[:1], faces[1:])
    best = tuned["step_size"]
    costs = [gaussian_bench.step_size_cost(model, METHODS["DPS"], faces[1:], step) for step in (0.3 * best, best, 3 * best)]
    assert costs[1] == min(costs)
    assert tuned["gradient_calls"] == tuned["denoiser_calls"] == 20
    wild = Method(lambda model, calls, step: dpnp.DPS(n_steps=calls, step_size=1e300))
    numbers, samples = gaussian_bench.cell(model, wild, faces[:2], faces[2:])
    assert numbers["diverged"] == 2
    assert "lpips" not in numbers
    assert samples.isnan().all()


@pytest.mark.filterwarnings("ignore::dpnp.NoiseRangeWarning")  # DPS starts above the levels that the prior was trained on
def test_the_command_writes_table_and_pictures(tmp_path):
    prior, data = write_tiny_prior(tmp_path / "prior", size=16), write_faces(tmp_path / "faces.npz")
    out, page = tmp_path / "out", tmp_path / "page.md"
    weights = write_weights(tmp_path / "lpips")
    sizes = ["--faces", "2", "--samples", "2", "--calls", "4", "--methods", "DPnP-DDIM", "DPS", "--tasks", "quantization"]
    places = ["--data", data, "--prior", prior, "--device", "cpu", "--lpips-cache", weights, "--out", out, "--page", page]
    main(list(map(str, sizes + places)))
    numbers = json.loads((out / "quantization" / "DPnP-DDIM.json").read_text())
    assert numbers["faces"] == 2
    assert 0 < numbers["lpips"] < math.inf
    assert "| DPS | " in page.read_text()
    assert "LPIPS" in page.read_text()
    assert (out / "quantization" / "grid.png").stat().st_size > 3000
