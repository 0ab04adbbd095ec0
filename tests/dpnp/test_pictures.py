"""Training images from picture files, and what the trainer does with batches in parts and with samples."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from dpnp.priors import Gaussian
from dpnp.training import About, DatasetError, ImageDataset, NetworkConfig, Preparation, TrainConfig, Trainer, load_dataset
from dpnp.training.pictures import fitted
from dpnp.training.samples import save_grid, unconditional_samples

NETWORK = NetworkConfig(patch=1, channels=(8, 16), norm_groups=4, attention_head_dim=8)


def ramp(height, width, colour=False):
    """Brightness grows to the right; red, green and blue differ."""
    grey = np.tile(np.linspace(0, 200, width), (height, 1))
    return np.stack([grey, grey + 20, grey + 40], axis=-1).astype(np.uint8) if colour else grey.astype(np.uint8)


def save(folder, name, array, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def test_a_folder_of_pictures_of_any_kind_and_size(tmp_path):
    save(tmp_path, "a.png", ramp(20, 30, colour=True))
    save(tmp_path, "deep/er/b.JPG", ramp(40, 20))
    save(tmp_path, "c.tiff", (ramp(16, 16).astype(np.uint16) * 257))
    save(tmp_path, "d.webp", np.dstack([ramp(16, 16, colour=True), np.full((16, 16), 9, np.uint8)]))
    (tmp_path / "notes.txt").write_text("no picture")
    data = load_dataset(tmp_path, Preparation(size=(12, 16)))
    assert data.image_shape == (3, 12, 16)
    assert (len(data.train), len(data.val)) == (3, 1)
    for image in [*data.train, *data.val]:
        assert (image[:, :, -1].float() > image[:, :, 0].float() + 60).all()


def test_grey_pictures_of_one_size_need_no_settings(tmp_path):
    for i in range(50):
        save(tmp_path, f"{i}.png", np.full((8, 10), 5 * i, np.uint8))
    data = load_dataset(tmp_path, Preparation(validation=0.1))
    assert data.image_shape == (1, 8, 10)
    assert (len(data.train), len(data.val)) == (45, 5)
    levels = torch.cat([data.train, data.val])[:, 0, 0, 0].tolist()
    assert sorted(levels) == [5 * i for i in range(50)]
    again = load_dataset(tmp_path, Preparation(validation=0.1))
    assert torch.equal(again.val, data.val)
    assert load_dataset(tmp_path, Preparation(colour="rgb")).image_shape == (3, 8, 10)


def test_crop_keeps_the_aspect_and_resize_keeps_all():
    picture = Image.fromarray(ramp(10, 40))
    cropped, resized = (fitted(picture, (10, 10), grey=True, fit=fit)[0].float() for fit in ("crop", "resize"))
    assert cropped[0, 0] == pytest.approx(200 * 15 / 39, abs=2)
    assert resized[0, 0] < 15


def test_sixteen_bits_and_the_orientation_of_cameras_are_respected():
    deep = fitted(Image.fromarray(np.full((4, 4), 51 * 257, np.uint16)), (4, 4), grey=True, fit="crop")
    assert (deep == 51).all()
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(ramp(8, 16)).save(buffer, "JPEG", exif=exif, quality=95)
    upright = fitted(Image.open(buffer), (16, 8), grey=True, fit="crop")[0].float()
    assert (upright[-1] > upright[0] + 100).all()


def packed(path, n=10):
    files = []
    for i in range(n):
        buffer = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(buffer, "JPEG")
        files.append(np.frombuffer(buffer.getvalue(), np.uint8))
    return np.concatenate(files), np.cumsum([0, *map(len, files)])


@pytest.mark.parametrize("ends", [slice(None), slice(-1)])
def test_joined_picture_files(tmp_path, ends):
    data, offsets = packed(tmp_path)
    np.savez(tmp_path / "packed.npz", data=data, offsets=offsets[ends])
    images = load_dataset(tmp_path / "packed.npz", Preparation(validation=0.2))
    assert images.image_shape == (3, 8, 8)
    assert (len(images.train), len(images.val)) == (8, 2)
    levels = torch.cat([images.train, images.val]).float().mean((1, 2, 3)).sort().values
    assert torch.allclose(levels, torch.arange(10) * 20.0, atol=2)


def test_offsets_that_do_not_fit_are_refused(tmp_path):
    data, offsets = packed(tmp_path)
    np.savez(tmp_path / "a.npz", data=data, offsets=offsets[::-1])
    np.savez(tmp_path / "b.npz", data=data, offsets=offsets.astype(float))
    np.savez(tmp_path / "c.npz", data=data, offsets=offsets + 3)
    with pytest.raises(DatasetError, match="do not grow from 0"):
        load_dataset(tmp_path / "a.npz")
    with pytest.raises(DatasetError, match="'offsets' integers"):
        load_dataset(tmp_path / "b.npz")
    with pytest.raises(DatasetError, match="do not grow from 0"):
        load_dataset(tmp_path / "c.npz")


def test_folders_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"at least two pictures .*, found 0"):
        load_dataset(tmp_path)
    save(tmp_path, "a.png", ramp(8, 8))
    save(tmp_path, "b.png", ramp(8, 9))
    with pytest.raises(DatasetError, match="sizes from 8 x 8 to 8 x 9 pixels: give the size"):
        load_dataset(tmp_path)
    (tmp_path / "c.png").write_bytes(b"broken")
    with pytest.raises(DatasetError, match=r"c\.png in .* is no readable picture"):
        load_dataset(tmp_path, Preparation(size=(8, 8)))


def test_sizes_in_words():
    assert Preparation.model_validate({"size": "64"}).size == (64, 64)
    assert Preparation.model_validate({"size": "48x64"}).size == (48, 64)
    for wrong in ("x", "0", "1x2x3", "a"):
        with pytest.raises(ValidationError):
            Preparation.model_validate({"size": wrong})


def trainer(folder, **changes):
    images = torch.randint(0, 255, (16, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    config = TrainConfig(steps=2, batch_size=6, precision="float32", validate_every=2, linear_rank=2, network=NETWORK, **changes)
    return Trainer(ImageDataset(images, images[:4]), config, folder, about=About("noise"), device=torch.device("cpu"))


def test_a_batch_in_parts_gives_the_same_gradient(tmp_path):
    whole, parts = trainer(tmp_path / "a"), trainer(tmp_path / "b", accumulate=4)
    assert parts.step() == pytest.approx(whole.step(), rel=1e-5)
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-6 + 1e-4 * a.grad.abs().max().item())


def test_training_leaves_a_picture_of_samples(tmp_path):
    trainer(tmp_path / "run", sample_images=5).run()
    with Image.open(tmp_path / "run" / "samples" / "step-000002.png") as grid:
        assert (grid.size, grid.mode) == ((24, 16), "L")
    trainer(tmp_path / "quiet", sample_images=0).run()
    assert not (tmp_path / "quiet" / "samples").exists()


def test_unconditional_samples_have_the_priors_moments():
    prior = Gaussian(torch.tensor([0.5, -0.5]), torch.diag(torch.tensor([0.2, 0.05])), (1, 1, 2))
    prior.sigma_range = (0.01, 20.0)
    draws = unconditional_samples(prior, 4000).flatten(1)
    # standard error 0.007 of the mean; the first-order steps shrink the deviation by up to a tenth
    assert torch.allclose(draws.mean(0), prior.means[0], atol=0.03)
    assert torch.allclose(draws.std(0), torch.tensor([0.2, 0.05]).sqrt(), rtol=0.1)


def test_grids_map_the_scale_to_eight_bits(tmp_path):
    images = torch.stack([torch.full((3, 2, 2), level) for level in (-1.0, 0.0, 7.0)])
    save_grid(images, tmp_path / "grid.png")
    pixels = np.asarray(Image.open(tmp_path / "grid.png"))
    assert pixels.shape == (4, 4, 3)
    assert [pixels[y, x, 0] for y, x in ((0, 0), (0, 2), (2, 0), (2, 2))] == [0, 128, 255, 0]
