"""The network prior: EDM preconditioning, the folder format, and what goes wrong with files."""

import json
from functools import partial

import pytest
import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file

import dpnp
from dpnp.priors import EDMDenoiser, EDMPrior, Gaussian, LinearDenoiser
from dpnp.priors.edm import NOISE_EMBEDDING_SCALE
from dpnp.priors.folder import info as info_folder
from dpnp.priors.folder import load as load_folder
from dpnp.priors.folder import save_prior
from dpnp.training import NetworkConfig

SHAPE = (1, 8, 8)


def tiny_prior(seed: int = 0) -> EDMPrior:
    torch.manual_seed(seed)
    config = NetworkConfig(channels=(8, 16), norm_groups=4, attention_head_dim=8)
    denoiser = EDMDenoiser(UNet2DModel(**config.unet_arguments(SHAPE)), LinearDenoiser.isotropic(SHAPE, 0.4), config.patch)
    return EDMPrior(denoiser, SHAPE, sigma_range=(0.01, 20.0))


class ExactNetwork(torch.nn.Module):
    """The network whose EDM denoiser is exact for the prior N(mean, std² I): F = (D - c_skip x) / c_out."""

    def __init__(self, mean: float, std: float, sigma_data: float) -> None:
        super().__init__()
        self.mean, self.std, self.sigma_data = mean, std, sigma_data
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def forward(self, scaled, c_noise, return_dict=False):
        s = torch.exp(c_noise / NOISE_EMBEDDING_SCALE).reshape(-1, 1, 1, 1)
        total = (s**2 + self.sigma_data**2).sqrt()
        x = scaled * total
        exact = (self.std**2 * x + s**2 * self.mean) / (self.std**2 + s**2)
        return ((exact - (self.sigma_data / total) ** 2 * x) * total / (s * self.sigma_data),)


@pytest.mark.parametrize(("patch", "padded"), [(1, None), (2, None), (1, (11, 8)), (3, (12, 9))])
@pytest.mark.parametrize("sigma", [0.01, 0.3, 1.0, 7.5])
def test_a_network_with_the_exact_answer_gives_the_exact_denoiser(sigma, patch, padded):
    denoiser = EDMDenoiser(ExactNetwork(0.2, 0.7, 0.4), LinearDenoiser.isotropic(SHAPE, 0.4), patch, padded)
    prior = EDMPrior(denoiser, SHAPE, sigma_range=(0.01, 20.0))
    x = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0)) * (0.7**2 + sigma**2) ** 0.5
    expected = (0.7**2 * x + sigma**2 * 0.2) / (0.7**2 + sigma**2)
    assert torch.allclose(prior.denoise(x, torch.full((3,), sigma)), expected, atol=2e-5)


def linear_denoiser(rank: int) -> tuple[LinearDenoiser, Gaussian]:
    """A linear denoiser on 2x3 images and the Gaussian prior that it belongs to."""
    g = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=g))[0][:rank]
    mean, variances, residual = torch.randn(1, 2, 3, generator=g), torch.linspace(2, 0.5, 6)[:rank], torch.tensor(0.1)
    covariance = (basis.T * variances) @ basis + residual * (torch.eye(6) - basis.T @ basis)
    return LinearDenoiser(mean, basis, variances, residual), Gaussian(mean.flatten(), covariance, (1, 2, 3))


@pytest.mark.parametrize("rank", [0, 2, 6])
def test_the_linear_denoiser_is_the_gaussian_priors(rank):
    linear, prior = linear_denoiser(rank)
    x = torch.randn(3, 1, 2, 3, generator=torch.Generator().manual_seed(1))
    sigma = torch.tensor([0.1, 1.0, 10.0])
    assert torch.allclose(linear(x, sigma), prior.denoise(x, sigma), atol=1e-5)
    c = prior.covariances[0]
    exact = [torch.linalg.solve(c + s**2 * torch.eye(6), s**2 * c).trace() / 6 for s in sigma]
    assert torch.allclose(linear.error(sigma), torch.stack(exact).sqrt(), rtol=1e-4)
    assert linear.variance == pytest.approx(c.trace().item() / 6, rel=1e-5)


def test_fitting_finds_the_gaussian_model_of_the_images():
    truth, prior = linear_denoiser(2)
    images = prior.sample(20_000, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    fitted = LinearDenoiser.fit(images, 2)
    assert torch.allclose(fitted.mean, truth.mean, atol=0.05)
    assert fitted.residual == pytest.approx(0.1, rel=0.05)
    model = (fitted.basis.T * (fitted.variances - fitted.residual)) @ fitted.basis + fitted.residual * torch.eye(6)
    # the standard error of a covariance of 20,000 draws with variances up to 2 is 2 * sqrt(2 / 20000) = 0.02
    assert torch.allclose(model, prior.covariances[0], atol=0.08)


def test_every_image_has_its_own_noise_level():
    prior = tiny_prior()
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    both = prior.denoise(x, torch.tensor([0.1, 3.0]))
    assert torch.allclose(both[0], prior.denoise(x[:1], torch.tensor([0.1]))[0], atol=1e-5)
    assert torch.allclose(both[1], prior.denoise(x[1:], torch.tensor([3.0]))[0], atol=1e-5)


def test_the_denoiser_is_differentiable_and_its_weights_are_frozen():
    prior = tiny_prior()
    x = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(prior.denoise(x, torch.tensor([0.5])).sum(), x)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0
    assert not any(p.requires_grad for p in prior.network.parameters())


def test_a_saved_prior_answers_the_same_to_half_precision(tmp_path):
    prior = tiny_prior()
    save_prior(prior, tmp_path / "tiny", training={"data": "none"})
    again = dpnp.load_prior(tmp_path / "tiny", device="cpu")
    assert again.image_shape == SHAPE
    assert again.name == "tiny"
    assert again.sigma_range == (0.01, 20.0)
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.3, 2.0])
    assert torch.allclose(again.denoise(x, sigma), prior.denoise(x, sigma), atol=5e-3)


def test_an_unknown_prior_lists_the_known():
    with pytest.raises(dpnp.PriorError, match=r"unknown prior 'faces-65'"):
        dpnp.load_prior("faces-65")


@pytest.fixture
def folder(tmp_path):
    save_prior(tiny_prior(), tmp_path / "tiny", training={})
    return tmp_path / "tiny"


def edit_card(folder, **changes):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **changes}))


def test_a_folder_without_a_card_is_refused(folder):
    (folder / "card.json").unlink()
    with pytest.raises(dpnp.PriorError, match=r"has no card\.json"):
        load_folder(folder, name="x")


def test_a_card_of_another_format_is_refused(folder):
    edit_card(folder, format="other-2")
    with pytest.raises(dpnp.PriorError, match="'other-2', expected 'dpnp-edm-1'"):
        load_folder(folder, name="x")


def test_a_card_that_is_not_json_is_refused(folder):
    (folder / "card.json").write_text("{")
    with pytest.raises(dpnp.PriorError, match="not JSON"):
        load_folder(folder, name="x")


def test_truncated_weights_are_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(dpnp.PriorError, match="cannot be loaded"):
        load_folder(folder, name="x")


def test_weights_of_another_size_are_refused(folder):
    card = json.loads((folder / "card.json").read_text())
    edit_card(folder, network={**card["network"], "block_out_channels": [8, 32]})
    with pytest.raises(dpnp.PriorError, match="cannot be loaded"):
        load_folder(folder, name="x")


@pytest.mark.parametrize("spectrum", [[1.0, 0.5], [float("nan")] * 6, [-1.0] * 6, [1e300] * 6, [10**400], ["a"], 3], ids=range(7))
def test_a_spectrum_that_does_not_fit_is_refused(folder, spectrum):
    edit_card(folder, spectrum=spectrum)
    with pytest.raises(dpnp.PriorError, match="cannot be loaded"):
        load_folder(folder, name="x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_shape": [8, 8]}, r"has image_shape \[8, 8\], expected three positive integers"),
        ({"image_shape": [1, 8, 0]}, r"has image_shape \[1, 8, 0\], expected three positive integers"),
        ({"image_shape": [2, 8, 8]}, r"has images of 2 channels, expected 1 \(grey\) or 3 \(RGB\)"),
        ({"image_shape": [3, 8, 8]}, "maps 4 channels to 4, expected 12 to 12 for images of 3 channels, patch 2 and linear_rank 0"),
        ({"image_shape": [1, 12, 8]}, r"has sample_size \[4, 4\], expected \[height, width\] of at least \[6, 4\]"),
        ({"patch": 1}, "maps 4 channels to 4, expected 1 to 1"),
        ({"patch": 0}, "has patch 0, expected an integer of at least 1"),
        ({"linear_rank": 2}, "maps 4 channels to 4, expected 8 to 4"),
        ({"linear_rank": None}, "has linear_rank None, expected an integer of at least 0"),
        ({"sigma_range": [0.01]}, r"has sigma_range \[0\.01\], expected two finite numbers"),
        ({"sigma_range": ["a", 20.0]}, "expected two finite numbers"),
        ({"sigma_range": [0, 20.0]}, "expected two finite numbers"),
        ({"sigma_range": [20.0, 0.01]}, "expected two finite numbers"),
        ({"sigma_range": [0.01, float("inf")]}, "expected two finite numbers"),
        ({"sigma_range": [float("nan"), 20.0]}, "expected two finite numbers"),
        ({"network": None}, "has network None, expected the arguments of a UNet2DModel"),
    ],
    ids=str,
)
def test_cards_of_what_is_no_prior_are_refused(folder, changes, message):
    edit_card(folder, **changes)
    assert_refused(folder, message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_class_embeds": 10}, "is class-conditional, expected an unconditional one"),
        ({"class_embed_type": "timestep"}, "is class-conditional, expected an unconditional one"),
        ({"in_channels": 8}, "maps 8 channels to 4, expected 4 to 4"),
        ({"out_channels": 8}, "maps 4 channels to 8, expected 4 to 4"),
        ({"sample_size": 4}, r"has sample_size 4, expected \[height, width\] of at least \[4, 4\]"),
    ],
    ids=str,
)
def test_networks_that_do_not_fit_the_card_are_refused(folder, changes, message):
    edit_card(folder, network={**json.loads((folder / "card.json").read_text())["network"], **changes})
    assert_refused(folder, message)


def assert_refused(folder, message):
    """By the catalogue, which reads no weights, and on loading, in one line."""
    for refuse in (info_folder, partial(load_folder, name="x")):
        with pytest.raises(dpnp.PriorError, match=message) as caught:
            refuse(folder)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(folder, value):
    weights = load_file(folder / "model.safetensors")
    weights["network.conv_in.bias"][3] = value
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(dpnp.PriorError, match=r"expected finite weights, got NaN or infinity in 1 tensors, network\.conv_in\.bias"):
        load_folder(folder, name="x")


@pytest.mark.parametrize("name", ["kernels-33", "faces-64", "cifar10-32"])
def test_the_shipped_priors_pass_every_check(name):
    prior = dpnp.load_prior(name, device="cpu")
    assert prior.image_shape == dpnp.priors.load.find_prior(name).image_shape


def test_another_size_does_not_have_the_spectrum(folder):
    prior = load_folder(folder, name="x")
    prior.spectrum = torch.ones(3, *SHAPE[:1], *SHAPE[:1])
    assert prior.sized(8, 16).spectrum is None
    assert prior.sized(*SHAPE[1:]).spectrum is prior.spectrum


def test_missing_weights_are_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(dpnp.PriorError, match="cannot be loaded"):
        load_folder(folder, name="x")


def test_images_that_the_network_cannot_halve_are_padded(tmp_path):
    config = NetworkConfig(channels=(8, 16, 16), patch=2, norm_groups=4, attention_head_dim=8)
    shape = (1, 13, 10)
    assert config.padded(shape) == (16, 16)
    assert config.padded((1, 16, 8)) == (16, 8)
    torch.manual_seed(0)
    linear = LinearDenoiser.isotropic(shape, 0.4)
    prior = EDMPrior(EDMDenoiser(UNet2DModel(**config.unet_arguments(shape)), linear, 2, (16, 16)), shape, sigma_range=(0.01, 20.0))
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    denoised = prior.denoise(x, torch.tensor([0.3, 2.0]))
    assert denoised.shape == x.shape
    save_prior(prior, tmp_path / "odd", training={}, extra={"unit": 7})
    again = dpnp.load_prior(tmp_path / "odd", device="cpu")
    assert torch.allclose(again.denoise(x, torch.tensor([0.3, 2.0])), denoised, atol=5e-3)
    assert again.card["unit"] == 7


def test_noise_levels_outside_the_trained_range_are_clamped_and_announced():
    prior = tiny_prior()
    low, high = prior.sigma_range
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    with pytest.warns(dpnp.NoiseRangeWarning, match=r"0\.01 to 20 .* is clamped"):
        outside = prior.denoise(x, torch.tensor([low / 10, high * 10]))
    at_ends = prior.denoise(torch.stack([x[0], x[1] / 10]), torch.tensor([low, high]))
    assert torch.allclose(outside[0], x[0] + (at_ends[0] - x[0]) / 100, atol=1e-6)
    assert torch.allclose(outside[1], at_ends[1], atol=1e-6)
