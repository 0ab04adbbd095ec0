"""``dpnp train`` on a data set whose best denoiser is known."""

import math

import numpy as np
import pytest
import torch

import dpnp
from dpnp.training import About, DatasetError, NetworkConfig, TrainConfig, Trainer, load_dataset
from dpnp.training.checkpoint import save_checkpoint
from dpnp.training.loop import learning_rate, training_batch
from dpnp.training.loss import denoising_psnr, training_sigmas

SMALL = TrainConfig(
    steps=6,
    batch_size=8,
    warmup_steps=2,
    precision="float32",
    validate_every=3,
    validation_images=8,
    checkpoint_every=2,
    linear_rank=4,
    sample_images=0,
    network=NetworkConfig(patch=1, channels=(8, 16), norm_groups=4, attention_head_dim=8),
)


def write_dataset(path, n=64, shape=(8, 8)):
    rng = np.random.default_rng(0)
    level = rng.integers(30, 225, size=(n, *[1] * len(shape)))
    images = np.broadcast_to(level, (n, *shape)).astype(np.uint8)
    np.savez(path, train=images, val=images[:16])
    return path


@pytest.fixture
def data(tmp_path):
    return load_dataset(write_dataset(tmp_path / "data.npz"))


def trainer(data, folder, config=SMALL):
    return Trainer(data, config, folder, about=About("flat images", "CC0", "flat"), device=torch.device("cpu"))


def weights(run):
    return torch.cat([p.flatten() for p in run.ema.parameters()])


@pytest.mark.parametrize(("rank", "gain"), [(0, 3.0), (3, 0.0)])
def test_training_denoises_better_than_the_start_and_ends_in_a_prior(data, tmp_path, rank, gain):
    config = SMALL.model_copy(update={"steps": 80, "validate_every": 80, "learning_rate": 3e-3, "linear_rank": rank})
    run = trainer(data, tmp_path / "run", config)
    clean = data.validation
    linear = run.model.linear
    prior = dpnp.load_prior(run.run(), device="cpu")
    # without components the start is a pixelwise shrinkage, which cannot know that the images are flat; with them it knows
    generator = torch.Generator().manual_seed(0)
    noisy = clean + 0.5 * torch.randn(clean.shape, generator=generator)
    untrained = 10 * math.log10(4 / (linear(noisy, torch.full((len(clean),), 0.5)) - clean).square().mean())
    assert denoising_psnr(prior, clean, 0.5) > untrained + gain
    card = prior.card["training"]
    assert card["data"] == "flat images"
    assert card["steps"] == 80
    assert (prior.card["licence"], prior.card["summary"]) == ("CC0", "flat")
    assert set(card["validation"]["denoising_psnr_db"]) == {"0.2", "0.5", "1", "2"}
    levels = data.reference[:, :, 0, 0]  # flat images: all their power is at frequency zero
    assert prior.spectrum[0, 0, 0].item() == pytest.approx(levels.var(correction=0).item() * clean[0].numel(), rel=1e-3)
    assert prior.spectrum[1:].abs().max().item() < 1e-9


def test_a_resumed_run_equals_an_uninterrupted_one(data, tmp_path):
    whole = trainer(data, tmp_path / "whole")
    whole.run()
    first = trainer(data, tmp_path / "parts", SMALL)
    for _ in range(4):
        first.step()
        first.progress.step += 1
    first.folder.mkdir()
    save_checkpoint(first.folder, first.model, first.ema, first.optimizer, first.progress, SMALL)
    second = trainer(data, tmp_path / "parts")
    assert second.resume()
    assert second.progress.step == 4
    second.run()
    assert torch.equal(weights(second), weights(whole))


def test_training_can_start_from_a_prior(data, tmp_path):
    prior = dpnp.load_prior(trainer(data, tmp_path / "first").run(), device="cpu")
    second = trainer(data, tmp_path / "second")
    second.start_from(prior)
    assert torch.equal(weights(second), torch.cat([p.flatten() for p in prior.network.parameters()]))
    wider = SMALL.model_copy(update={"network": NetworkConfig(patch=1, channels=(8, 24), norm_groups=4, attention_head_dim=8)})
    with pytest.raises(dpnp.PriorError, match="other shapes"):
        trainer(data, tmp_path / "wider", wider).start_from(prior)


def test_there_is_nothing_to_resume_in_an_empty_folder(data, tmp_path):
    assert not trainer(data, tmp_path / "empty").resume()


def test_batches_are_a_function_of_seed_and_step(data):
    a, b = training_batch(data, SMALL, 3), training_batch(data, SMALL, 3)
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not torch.equal(a[2], training_batch(data, SMALL, 4)[2])


def test_training_noise_levels_are_log_normal():
    logs = training_sigmas(4096, -0.7, 1.3, torch.Generator().manual_seed(0)).log()
    assert logs.mean() == pytest.approx(-0.7, abs=0.01)
    assert logs.std() == pytest.approx(1.3, abs=0.01)


def test_the_learning_rate_warms_up_and_falls_to_zero():
    config = TrainConfig(steps=1000, warmup_steps=100, learning_rate=1.0)
    rates = [learning_rate(config, k) for k in range(1001)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.975, abs=0.01)
    assert rates[1000] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"train": np.zeros((2, 8, 8), np.uint8)}, r"lacks \['val'\]"),
        ({"train": np.zeros((2, 8, 8)), "val": np.zeros((2, 8, 8))}, "must be uint8, got float64"),
        ({"train": np.zeros((2, 8, 8, 2), np.uint8), "val": np.zeros((2, 8, 8), np.uint8)}, r"got \(2, 8, 8, 2\)"),
        ({"train": np.zeros((2, 8, 8), np.uint8), "val": np.zeros((2, 8, 9), np.uint8)}, r"\(1, 8, 8\) but 'val' images are \(1, 8, 9\)"),
    ],
)
def test_data_sets_that_cannot_be_used_are_named(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path / "bad.npz")


def test_what_is_no_npz_is_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"not an archive")
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(DatasetError, match="nor a readable"):
        load_dataset(tmp_path / "a.npz")
    with pytest.raises(DatasetError, match="single array"):
        load_dataset(tmp_path / "b.npy")
