"""A prior whose calls are measured."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from app.metrics import WorkerMetrics
from dpnp import Prior
from dpnp.priors.wrapped import WrappedPrior


class MeteredPrior(WrappedPrior):
    """``prior`` with the time and size of every call told to ``metrics``."""

    def __init__(self, prior: Prior, metrics: WorkerMetrics) -> None:
        super().__init__(prior)
        self._metrics = metrics

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x]; see :class:`dpnp.priors.base.Prior`."""
        started = time.perf_counter()
        denoised = self._prior.denoise(x, sigma)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # else the time would be that of asking
        self._metrics.denoiser_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_size.observe(len(x))
        return denoised
