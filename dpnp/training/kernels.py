"""Synthetic blur kernels as training data: what the prior ``kernels-33`` is trained on."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from dpnp.priors.base import ImageShape
from dpnp.priors.kernel_scale import KERNEL_SCALE, kernel_to_image
from operators.blur_kernels import SIZE, random_kernels
from operators.rng import TRAINING, generator_for

REFERENCE_KERNELS, VALIDATION_KERNELS = 5_000, 500
REFERENCE, VALIDATION = 0, 1  # beside (seed, step), which name the training batches


class KernelDataset:
    """:func:`random_kernels` as training data: every batch is new; reference and validation kernels are fixed."""

    image_shape: ImageShape = (1, SIZE, SIZE)
    train_images = None

    @property
    def card(self) -> dict[str, object]:
        """What a user of the prior needs to turn its images into kernels."""
        return {"kernel_scale": KERNEL_SCALE}

    def batch(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` new kernels as images, (n, 1, 33, 33)."""
        return kernel_to_image(random_kernels(n, generator))[:, None]

    @cached_property
    def reference(self) -> Tensor:
        """The kernels that the linear denoiser is fitted to."""
        return self.batch(REFERENCE_KERNELS, generator_for(REFERENCE, TRAINING))

    @cached_property
    def validation(self) -> Tensor:
        """The kernels that training runs are judged by."""
        return self.batch(VALIDATION_KERNELS, generator_for(VALIDATION, TRAINING))
