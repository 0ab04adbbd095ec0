"""Training data: what the trainer asks for, and an .npz file with ``train`` and ``val`` arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dpnp.priors.base import ImageShape


class DatasetError(ValueError):
    """The data set cannot be used for training; the message says what was expected and what came."""


class TrainingData(Protocol):
    """Images to train a prior on, all float32 (N, C, H, W) in [-1, 1] scale."""

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of one image."""

    @property
    def train_images(self) -> int | None:
        """How many training images there are; None where every batch is new."""

    @property
    def card(self) -> dict[str, object]:
        """Further fields of the prior's card."""

    @property
    def reference(self) -> Tensor:
        """The images that the linear denoiser is fitted to."""

    @property
    def validation(self) -> Tensor:
        """The images that training runs are judged by."""

    def batch(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` training images, a function of ``generator`` alone."""


@dataclass(frozen=True)
class ImageDataset:
    """8-bit images, channels first: ``train`` and ``val`` are uint8 (N, C, H, W)."""

    train: Tensor
    val: Tensor

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of one image."""
        c, h, w = self.train.shape[1:]
        return c, h, w

    @property
    def train_images(self) -> int:
        """How many training images there are."""
        return len(self.train)

    @property
    def card(self) -> dict[str, object]:
        """Images need no further fields."""
        return {}

    @property
    def reference(self) -> Tensor:
        """All training images."""
        return to_model_scale(self.train)

    @cached_property
    def validation(self) -> Tensor:
        """The ``val`` images."""
        return to_model_scale(self.val)

    def batch(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` training images, drawn with replacement."""
        return to_model_scale(self.train[torch.randint(len(self.train), (n,), generator=generator)])


def to_model_scale(images: Tensor) -> Tensor:
    """uint8 0..255 -> float32 -1..1."""
    return images.float() / 127.5 - 1.0


def load_dataset(path: Path) -> ImageDataset:
    """Read ``train`` and ``val`` (uint8, (N, H, W) grey or (N, H, W, 3) colour) from an .npz file.

    Raises :class:`DatasetError` when the file or its arrays are not of that form.
    """
    try:
        archive = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is not a readable .npz file: {error}") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DatasetError(f"{path} holds a single array; expected an .npz file with arrays 'train' and 'val'")
    with archive:
        missing = {"train", "val"} - set(archive.files)
        if missing:
            raise DatasetError(f"{path} lacks {sorted(missing)}; it holds {sorted(archive.files)}")
        train, val = (_channels_first(archive[key], f"{path}:{key}") for key in ("train", "val"))
    if train.shape[1:] != val.shape[1:]:
        raise DatasetError(f"'train' images are {tuple(train.shape[1:])} but 'val' images are {tuple(val.shape[1:])}")
    return ImageDataset(train, val)


def _channels_first(array: np.ndarray, where: str) -> Tensor:
    if array.dtype != np.uint8:
        raise DatasetError(f"{where} must be uint8, got {array.dtype}")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or len(array) == 0:
        raise DatasetError(f"{where} must be (N, H, W) or (N, H, W, 3) with N > 0, got {array.shape}")
    return torch.from_numpy(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))
