"""Noise models that keep only the cell in which the dithered signal lies: quantisers, JPEG."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from operators.noise.base import SeparableNoise, std_left
from operators.noise.dither import DITHER_STD, FAR, NORMAL_STD, Dither, draw, log_interval


class CellNoise(SeparableNoise):
    """y names the cell [low, high] of a + tau w, w standard normal or standard logistic; log-concave in a.

    ``tau`` in the measurement's units; with Gaussian dither it may be 0: y then says for sure where a lies.
    """

    tau: float
    dither: Dither

    @abstractmethod
    def encode(self, signal: Tensor) -> Tensor:
        """The cells' names y of signals."""

    @abstractmethod
    def cells(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Lower and upper ends of the cells, infinite where the quantiser saturates."""

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        noise = draw(clean.shape, self.dither, generator).to(clean.device)
        return self.encode(clean.double() + self.tau * noise).to(clean.dtype)

    def log_prob_entries(self, y: Tensor, clean: Tensor) -> Tensor:
        return log_cell(*self.cells(y), clean, self.tau, self.dither)

    def smoothed_log_prob_entries(self, y: Tensor, clean: Tensor, std: float) -> Tensor:
        """Closed form for Gaussian dither, quadrature for logistic."""
        if self.dither == "gaussian":
            return log_cell(*self.cells(y), clean, math.hypot(self.tau, std), "gaussian")
        return super().smoothed_log_prob_entries(y, clean, std)

    def deviance(self, y: Tensor, clean: Tensor) -> Tensor:
        """Against the best a of every entry of y by itself: the middle of its cell, or far inside an endless one."""
        low, high = self.cells(y)
        inside = torch.where(torch.isinf(low), high - FAR, torch.where(torch.isinf(high), low + FAR, (low + high) / 2))
        best = log_cell(low, high, inside, self.tau, self.dither)
        return 2 * (best.flatten(1).sum(1) - self.log_prob(y, clean))

    @property
    def divides(self) -> bool:
        return self.tau > 0

    def tau_without(self, std: float) -> float:
        """The dither's scale without a Gaussian part of ``std``: exact for Gaussian dither.

        A logistic law has no Gaussian part (its characteristic function falls as exp(-|t|), more slowly). A narrower one and the part
        together differ from it by at most 0.0031 in a bit's probability within |a| <= 1, at tau = 0.4 and std = 0.3, and by 0.011 in total
        variation over the cells of 8 bits.
        """
        return std_left(self.tau, std / NORMAL_STD[self.dither])

    @property
    def scale(self) -> float:
        return self.tau * DITHER_STD[self.dither]


def log_cell(low: Tensor, high: Tensor, clean: Tensor, tau: float, dither: Dither) -> Tensor:
    """log P(low < clean + tau w < high)."""
    unit = max(tau, 1 / FAR)
    return log_interval((low - clean) / unit, (high - clean) / unit, dither)
