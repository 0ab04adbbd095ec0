"""A prior seen through a counter and a batch size: what the samplers call."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dpnp.priors.base import Prior
from dpnp.priors.wrapped import WrappedPrior


class BatchedPrior(WrappedPrior):
    """Calls ``prior`` on at most ``batch_size`` images at a time and announces every call to ``on_call``.

    ``on_call`` may raise to stop the run before the call.
    """

    def __init__(self, prior: Prior, batch_size: int | None = None, on_call: Callable[[], None] | None = None) -> None:
        super().__init__(prior)
        self.batch_size, self.on_call = batch_size, on_call

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x]; see :class:`dpnp.priors.base.Prior`."""
        size = self.batch_size or len(x)
        parts = [self._call(a, s) for a, s in zip(x.split(size), sigma.split(size), strict=True)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _call(self, x: Tensor, sigma: Tensor) -> Tensor:
        if self.on_call is not None:
            self.on_call()
        return self._prior.denoise(x, sigma)
