"""A prior around another one."""

from __future__ import annotations

from typing import ClassVar

import torch

from dpnp.priors.base import ImageShape, Prior


class WrappedPrior:
    """Has the image shape, device and precision of ``prior``; a subclass says how it denoises."""

    same_law: ClassVar[bool] = True
    """Whether it is the same prior over images, seen in another way."""

    def __init__(self, prior: Prior) -> None:
        self._prior = prior

    @property
    def wrapped(self) -> Prior:
        """The prior inside."""
        return self._prior

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of one image."""
        return self._prior.image_shape

    @property
    def device(self) -> torch.device:
        """The prior's device."""
        return self._prior.device

    @property
    def dtype(self) -> torch.dtype:
        """The prior's precision."""
        return self._prior.dtype


def innermost(prior: Prior) -> Prior:
    """The prior without the wrappers that leave its law as it is."""
    while isinstance(prior, WrappedPrior) and prior.same_law:
        prior = prior.wrapped
    return prior
