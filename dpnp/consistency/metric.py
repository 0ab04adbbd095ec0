"""Preconditioners of HMC and MALA: the shape of the consistency target, as far as the forward model's structure tells it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

from operators import ForwardModel
from operators.maps import Constant, ThinSVD
from operators.maps.chain import LinearChain


class Metric(Protocol):
    """P = (I/eta² + G)^-1 for a guess G of the log-likelihood's negative second derivative."""

    def power(self, v: Tensor, exponent: float, eta: float) -> Tensor:
        """P^exponent v for ``v`` (B, C, H, W)."""
        ...


@dataclass(frozen=True)
class FlatMetric:
    """G = 0: nothing is known of the likelihood."""

    def power(self, v: Tensor, exponent: float, eta: float) -> Tensor:
        """eta^(2 exponent) v."""
        return eta ** (2 * exponent) * v


@dataclass(frozen=True)
class DiagonalMetric:
    """G = ``gram`` / scale², diagonal, ``gram`` (C, H, W)."""

    gram: Constant
    scale: float

    @cached_property
    def gain(self) -> float:
        """Root of the smallest entry that is not zero, 0 where all are: no pixel that the map sees is seen less."""
        seen = self.gram.value[self.gram.value > 0]
        return math.sqrt(seen.min().item()) if len(seen) else 0.0

    def power(self, v: Tensor, exponent: float, eta: float) -> Tensor:
        """Pixel by pixel."""
        return (1 / eta**2 + self.gram.like(v) / self.scale**2) ** -exponent * v


@dataclass(frozen=True)
class SpectralMetric:
    """G = A^T A / scale² through the thin SVD of A, the map's linear part."""

    svd: ThinSVD
    scale: float

    def power(self, v: Tensor, exponent: float, eta: float) -> Tensor:
        """Coefficient by coefficient in the range of V, eta^(2 exponent) outside it."""
        outside = eta ** (2 * exponent)
        inside = (1 / eta**2 + (self.svd.singular_values.like(v) / self.scale).square()) ** -exponent
        return outside * v + self.svd.lift((inside - outside) * self.svd.project(v))


FLAT = FlatMetric()


def metric_for(model: ForwardModel) -> Metric:
    """The best preconditioner that the model's structure gives."""
    linear = model.map.linear_part()
    svd = None if linear is None else linear.svd()
    if svd is not None:
        return SpectralMetric(svd, model.noise.scale)
    if isinstance(linear, LinearChain):  # as if the last map were a multiple of a rotation: JPEG's transform nearly is
        svd, gain = linear.first.svd(), linear.last.largest_singular_value()
        if svd is not None and gain is not None:
            return SpectralMetric(svd, model.noise.scale / gain)
    diagonal = model.map.gram_diagonal()
    return FLAT if diagonal is None else DiagonalMetric(Constant(diagonal), model.noise.scale)
