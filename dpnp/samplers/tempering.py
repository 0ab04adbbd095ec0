"""Which eta a population moves to next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dpnp.rng import SampleStreams
from dpnp.smoothed import SmoothedLikelihood

BISECTIONS = 30


class EtaChoice(Protocol):
    """The first eta, and the next one given the particles."""

    @property
    def first(self) -> float:
        """eta of the first iteration."""
        ...

    def following(self, step: int, eta: float, x: Tensor, log_weights: Tensor, streams: SampleStreams) -> float:
        """eta of iteration ``step``, after one at ``eta`` that left the particles ``x`` with ``log_weights``."""
        ...


@dataclass(frozen=True)
class FixedEtas:
    """A schedule made beforehand."""

    etas: list[float]

    @property
    def first(self) -> float:
        """The schedule's first."""
        return self.etas[0]

    def following(self, step: int, eta: float, x: Tensor, log_weights: Tensor, streams: SampleStreams) -> float:
        """The schedule's own."""
        return self.etas[step]


@dataclass(frozen=True)
class AdaptiveEtas:
    """The smallest eta that keeps the conditional effective sample size at ``target`` (Zhou, Johansen & Aston 2016).

    Once at ``last`` it stays; the last of the ``total`` iterations is at ``last`` whatever it costs.
    """

    first: float
    last: float
    total: int
    target: float
    smoothed: SmoothedLikelihood

    def following(self, step: int, eta: float, x: Tensor, log_weights: Tensor, streams: SampleStreams) -> float:
        """Bisection on log eta; the smoothed likelihood must be deterministic."""
        if eta <= self.last or step == self.total - 1 or self._effective(self.last, eta, x, log_weights, streams) >= self.target:
            return self.last
        low, high = math.log(self.last), math.log(eta)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if self._effective(math.exp(middle), eta, x, log_weights, streams) >= self.target:
                high = middle
            else:
                low = middle
        return math.exp(high)

    def _effective(self, eta_next: float, eta: float, x: Tensor, log_weights: Tensor, streams: SampleStreams) -> float:
        return conditional_ess(log_weights, self.smoothed.log_ratio(x, eta, eta_next, streams))


def conditional_ess(log_weights: Tensor, log_ratio: Tensor) -> float:
    """(sum W w)² / sum W w² for normalised weights W and incremental weights w, in (0, 1]."""
    normalised = log_weights - torch.logsumexp(log_weights, 0)
    first = torch.logsumexp(normalised + log_ratio, 0)
    return torch.exp(2 * first - torch.logsumexp(normalised + 2 * log_ratio, 0)).item()
