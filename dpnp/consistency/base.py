"""The contract of a proximal consistency sampler (PCS)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from dpnp.rng import SampleStreams

Memory = dict[str, Tensor]
"""What a consistency sampler keeps per sample between iterations, such as step sizes: name -> (B, ...)."""


class Draw(NamedTuple):
    """A consistency draw: the images, the memory for the next call, and named numbers per image, (B,) each."""

    x: Tensor
    memory: Memory
    info: dict[str, Tensor]


class ConsistencySampler(Protocol):
    """Draws x ~ exp(log p(y | x) - |x - x_k|² / (2 eta²)): the likelihood alone, held near ``x_k``."""

    def init(self, n: int) -> Memory:
        """The memory before the first draw of ``n`` chains."""
        ...

    def draw(self, x_k: Tensor, eta: float, memory: Memory, streams: SampleStreams) -> Draw:
        """One draw per image of ``x_k`` (B, C, H, W)."""
        ...
