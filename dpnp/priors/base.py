"""The one contract between a prior and every sampler: the MMSE denoiser."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

ImageShape = tuple[int, int, int]


@runtime_checkable
class Prior(Protocol):
    """A prior p(x) over images, known through its denoiser D(x, sigma) = E[x0 | x0 + sigma e = x].

    Every score is a relabelling of it by Tweedie's formula,
    ``grad log p_sigma(x) = (D(x, sigma) - x) / sigma**2``.
    """

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of one image."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the prior computes; samplers keep their state there."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the images that the prior takes and returns."""
        ...

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x] for ``x`` (B, C, H, W) and ``sigma`` (B,) > 0, both in [-1, 1] scale."""
        ...


def check_denoiser_input(x: Tensor, sigma: Tensor, image_shape: ImageShape) -> None:
    """Raise ``ValueError`` unless ``x`` is (B, *image_shape) and ``sigma`` is (B,)."""
    if tuple(x.shape[1:]) != tuple(image_shape) or x.ndim != 4:
        raise ValueError(f"this prior takes images of shape (B, {', '.join(map(str, image_shape))}), got {tuple(x.shape)}")
    if tuple(sigma.shape) != (x.shape[0],):
        raise ValueError(f"sigma must hold one noise level per image, shape ({x.shape[0]},), got {tuple(sigma.shape)}")
