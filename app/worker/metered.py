"""A prior whose calls are measured."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from app.metrics import WorkerMetrics
from dpnp import Prior


class MeteredPrior:
    """``prior`` with the time and size of every call told to ``metrics``."""

    def __init__(self, prior: Prior, metrics: WorkerMetrics) -> None:
        self._prior, self._metrics = prior, metrics

    @property
    def image_shape(self) -> tuple[int, int, int]:
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

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x]; see :class:`dpnp.priors.base.Prior`."""
        started = time.perf_counter()
        denoised = self._prior.denoise(x, sigma)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # else the time would be that of asking
        self._metrics.denoiser_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_size.observe(len(x))
        return denoised
