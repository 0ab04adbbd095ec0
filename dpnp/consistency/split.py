"""The noise split behind a map that is not linear, to first order."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from dpnp.consistency.base import Draw, Memory
from dpnp.consistency.hmc import HMC
from dpnp.consistency.metric import DiagonalMetric
from dpnp.rng import SampleStreams


@dataclass(frozen=True)
class SplitHMC:
    """``chains`` in the noise that is left beside eta (docs/mathematics.md).

    To first order eta e moves the measurement by eta J e, and J^T J is near the metric's ``gram`` on the pixels that the map sees. What is
    taken out is a part of variance eta² times gram's smallest entry that is not zero: under a mask of unequal strengths a stronger pixel
    keeps some of eta's blur, but none is told more than the measurement says.
    """

    chains: HMC
    metric: DiagonalMetric

    def init(self, n: int) -> Memory:
        """The chains' own."""
        return self.chains.init(n)

    def draw(self, x_k: Tensor, eta: float, memory: Memory, streams: SampleStreams) -> Draw:
        """The chains' own, in less noise."""
        model = self.chains.model
        left = model.noise.without(eta * self.metric.gain)
        chains = replace(self.chains, model=model.with_noise(left), metric=replace(self.metric, scale=left.scale))
        return chains.draw(x_k, eta, memory, streams)
