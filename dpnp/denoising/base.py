"""The contract of a diffusion denoising sampler (DDS)."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from dpnp.priors.base import Prior
from dpnp.rng import SampleStreams


class DenoisingSampler(Protocol):
    """Draws x ~ exp(log p(x) - |x - x_half|² / (2 eta²)), the posterior of denoising ``x_half`` at level ``eta``."""

    @property
    def calls(self) -> int:
        """Denoiser calls per draw."""
        ...

    def draw(self, prior: Prior, x_half: Tensor, eta: float, streams: SampleStreams) -> Tensor:
        """One draw per image of ``x_half`` (B, C, H, W)."""
        ...
