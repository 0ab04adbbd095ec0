"""Synthetic blur kernels and training on them."""

import pytest
import torch

import dpnp
from dpnp.priors.kernel_scale import image_to_kernel, kernel_to_image
from dpnp.training import About, KernelDataset, NetworkConfig, TrainConfig, Trainer, kernels
from operators.blur_kernels import (
    PATH_REACH,
    SIZE,
    gaussian_kernels,
    motion_kernels,
    motion_paths,
    random_kernels,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def moments(k):
    """Mean (n, 2) and covariance (n, 2, 2) of kernels as distributions over pixels, rows first."""
    t = torch.arange(SIZE, dtype=k.dtype) - SIZE // 2
    grid = torch.stack(torch.meshgrid(t, t, indexing="ij"), dim=-1).reshape(-1, 2)
    flat = k.flatten(1)
    mean = flat @ grid
    return mean, torch.einsum("np,pi,pj->nij", flat, grid, grid) - mean[:, :, None] * mean[:, None, :]


@pytest.mark.parametrize("draw", [gaussian_kernels, motion_kernels, random_kernels])
def test_kernels_lie_on_the_simplex_centred_on_their_mean(draw):
    k = draw(500, generator())
    assert k.shape == (500, SIZE, SIZE)
    assert (k >= 0).all()
    assert torch.allclose(k.sum((1, 2)), torch.ones(500), atol=1e-5)
    mean, _ = moments(k)
    assert mean.abs().max() < 0.05


def test_gaussians_have_the_widths_of_their_law():
    _, covariance = moments(gaussian_kernels(4000, generator()).double())
    widths = torch.linalg.eigvalsh(covariance).sqrt()
    wide, narrow = widths[:, 1], widths[:, 0]
    assert wide.min() > 0.79
    assert 4.7 < wide.max() < 5.01
    assert narrow.min() > 0.59
    # log-uniform: the median of 4000 draws is within 3 standard errors (0.046 in the logarithm) of the geometric mean of the ends
    assert wide.log().median() == pytest.approx(torch.tensor(0.8 * 5).sqrt().log().item(), abs=0.05)
    slant = covariance[:, 0, 1] / covariance.diagonal(dim1=1, dim2=2).prod(1).sqrt()
    assert abs(slant.mean()) < 3 * slant.std() / 4000**0.5, "as many lean left as right"


def test_motion_paths_have_the_lengths_of_their_law_and_stay_inside():
    path = motion_paths(4000, generator())
    length = path.diff(dim=1).norm(dim=-1).sum(1)
    assert path.abs().max() < PATH_REACH + 1e-4
    assert 2.99 < length.min() < 3.2
    assert length.max() < 45.1
    free = path.abs().amax((1, 2)) < PATH_REACH - 0.1
    assert free.float().mean() > 0.7
    bent = 1 - (path[:, -1] - path[:, 0]).norm(dim=-1) / length
    assert bent.min() < 0.01
    assert bent.max() > 0.7, "from straight lines to curls"


def test_seven_in_ten_are_motion():
    k = random_kernels(4000, generator())
    symmetric = (k - k.flip(1, 2)).abs().amax((1, 2)) < 1e-6 * k.amax((1, 2))  # only Gaussians are
    assert (~symmetric).float().mean() == pytest.approx(0.7, abs=3 * (0.7 * 0.3 / 4000) ** 0.5)


def test_images_and_kernels_are_two_scales_of_one_thing():
    k = random_kernels(20, generator())
    assert torch.allclose(image_to_kernel(kernel_to_image(k)), k, atol=1e-7)
    assert kernel_to_image(torch.tensor([0.0, kernels.KERNEL_SCALE])).tolist() == [-1, 1]


def test_batches_are_new_but_reproducible(monkeypatch):
    monkeypatch.setattr(kernels, "REFERENCE_KERNELS", 50)
    data, again = KernelDataset(), KernelDataset()
    assert torch.equal(data.batch(4, generator(3)), again.batch(4, generator(3)))
    assert not torch.equal(data.batch(4, generator(3)), data.batch(4, generator(4)))
    assert torch.equal(data.validation, again.validation)
    assert not torch.equal(data.validation[:50], data.reference)


def test_a_prior_of_kernels_learns_and_knows_its_scale(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "REFERENCE_KERNELS", 500)
    config = TrainConfig(
        steps=30,
        batch_size=16,
        precision="float32",
        warmup_steps=5,
        validate_every=30,
        validation_images=50,
        linear_rank=16,
        network=NetworkConfig(patch=3, channels=(16, 16), norm_groups=4, attention_head_dim=8),
    )
    run = Trainer(KernelDataset(), config, tmp_path / "run", about=About("kernels"), device=torch.device("cpu"))
    losses = [run.step()]
    prior = dpnp.load_prior(run.run(), device="cpu")
    losses.append(run.step())
    assert losses[1] < losses[0]
    assert prior.image_shape == (1, SIZE, SIZE)
    assert prior.card["kernel_scale"] == kernels.KERNEL_SCALE
    assert prior.card["training"]["train_images"] is None
