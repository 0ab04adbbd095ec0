"""Training data: what the trainer asks for, and images in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from dpnp.priors.base import ImageShape
from dpnp.priors.linear import MAX_IMAGES
from dpnp.priors.spectrum import radial_spectrum


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

    @cached_property
    def card(self) -> dict[str, object]:
        """The images' spectrum, which chains with an unknown blur begin with."""
        images = self.reference
        return {"spectrum": [float(f"{v:.7g}") for v in radial_spectrum(images, images.mean(0)).flatten().tolist()]}

    @property
    def reference(self) -> Tensor:
        """As many training images as a fit looks at."""
        return to_model_scale(self.train[:MAX_IMAGES])

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
