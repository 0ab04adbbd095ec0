"""Exact consistency draws entry by entry: noise that is independent per entry behind a map with A A^T = c I."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from dpnp.consistency.base import Draw, Memory
from dpnp.consistency.logconcave import LogConcave
from dpnp.rng import SampleStreams
from operators.maps import LinearMap
from operators.noise import CellNoise, SeparableNoise
from operators.noise.dither import FAR
from operators.truncated import truncated_normal


class EntryLaw(Protocol):
    """Draws of independent entries v ~ N(mean, std²) p(y | v)."""

    def without(self, std: float) -> EntryLaw:
        """The law for a noise without a Gaussian part of ``std``."""
        ...

    def draw(self, y: Tensor, mean: Tensor, std: float, streams: SampleStreams) -> Tensor:
        """One draw per entry of ``mean`` (B, ...)."""
        ...


@dataclass(frozen=True)
class EntrywiseExact:
    """x ~ exp(L(x; y) - |x - x_k|²/(2 eta²)) in one draw, no chain.

    In the range of A^T the target is a law of v = A x with independent entries, v ~ N(A x_k, c eta²) p(y | v); outside it is
    N(x_k, eta² I). With ``split`` the noise is what a Gaussian part of std sqrt(c) eta leaves of it (docs/mathematics.md).
    """

    map: LinearMap
    row_gram: float
    law: EntryLaw
    y: Tensor
    split: bool = False

    def init(self, n: int) -> Memory:
        """Exact draws remember nothing."""
        return {}

    def draw(self, x_k: Tensor, eta: float, memory: Memory, streams: SampleStreams) -> Draw:
        """One exact draw per image of ``x_k`` (B, C, H, W)."""
        x = x_k + eta * streams.normal(tuple(x_k.shape[1:]))
        std = eta * math.sqrt(self.row_gram)
        law = self.law.without(std) if self.split else self.law
        v = law.draw(self.y[None], self.map(x_k), std, streams)
        return Draw(x + self.map.adjoint(v - self.map(x)) / self.row_gram, memory, {})


@dataclass(frozen=True)
class Augmented:
    """Gaussian dither: w = v + tau e is a truncated normal in y's cell, and v given w is Gaussian."""

    noise: CellNoise

    def without(self, std: float) -> Augmented:
        """With less dither."""
        return Augmented(self.noise.without(std))

    def draw(self, y: Tensor, mean: Tensor, std: float, streams: SampleStreams) -> Tensor:
        """One draw per entry."""
        total = std**2 + self.noise.tau**2
        w = truncated_normal(mean, math.sqrt(total), *self.noise.cells(y), streams.uniform(tuple(mean.shape[1:])))
        gain, spread = std**2 / total, std * self.noise.tau / math.sqrt(total)
        return mean + gain * (w - mean) + spread * streams.normal(tuple(mean.shape[1:]))


def entry_law(noise: SeparableNoise, entries_are_cells: bool) -> EntryLaw | None:
    """The exact law of one entry that the noise model's structure allows; ``entries_are_cells``: one y for every entry of the map."""
    if not isinstance(noise, CellNoise):
        return None
    if noise.dither == "gaussian" and entries_are_cells:
        return Augmented(noise)
    return LogConcave(noise) if noise.tau > 1 / FAR else None
