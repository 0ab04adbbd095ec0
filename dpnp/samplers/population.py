"""Population resampling: the chains as particles of a sequential Monte Carlo sampler (Del Moral, Doucet & Jasra 2006)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from dpnp.rng import SampleStreams
from dpnp.samplers.base import Info, Kernel, State
from dpnp.samplers.tempering import EtaChoice
from dpnp.smoothed import SmoothedLikelihood

RESAMPLE_BELOW = 0.5  # of the population


def effective_sample_size(log_weights: Tensor) -> Tensor:
    """(sum w)² / sum w², between 1 and n."""
    return torch.exp(2 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2 * log_weights, 0))


def systematic_resample(log_weights: Tensor, u: float) -> Tensor:
    """Indices (n,) of the survivors: one uniform number ``u`` in [0, 1) places a comb of n teeth on the cumulative weights."""
    n = len(log_weights)
    cumulative = torch.softmax(log_weights.double(), 0).cumsum(0)
    teeth = (torch.arange(n, dtype=torch.float64, device=log_weights.device) + u) / n
    return torch.searchsorted(cumulative / cumulative[-1], teeth).clamp_max(n - 1)


class Move(Kernel, Protocol):
    """A kernel that can also be run at any eta, leaving pi_eta invariant."""

    def iterate(self, state: State, eta: float, streams: SampleStreams) -> tuple[State, Info]:
        """One iteration at ``eta``."""
        ...


@dataclass(frozen=True)
class PopulationKernel:
    """``move`` (a PCS + DDS iteration) after reweighting and, when the effective sample size falls under n/2, resampling.

    Going from eta_k to eta_{k+1} multiplies each particle's weight by q_{eta_{k+1}}(x) / q_{eta_k}(x); the move leaves pi_{eta_{k+1}}
    invariant. Before the last move the particles are resampled whatever their weights, so the samples count equally. With ``correct``
    the last draw is reweighted from pi_{eta_min} to the posterior and resampled without a move: right in law, with duplicates.
    """

    move: Move
    choice: EtaChoice
    smoothed: SmoothedLikelihood
    correct: bool

    @property
    def total(self) -> int:
        """Iterations."""
        return self.move.total

    @property
    def nfe(self) -> int:
        """Denoiser calls per sample."""
        return self.move.nfe

    def init(self, streams: SampleStreams) -> State:
        """Equal weights; every particle is its own ancestor."""
        state = self.move.init(streams)
        log_weights = torch.zeros(len(streams), dtype=state.x.dtype, device=state.x.device)
        own = torch.arange(len(streams), device=state.x.device)
        eta = torch.full((len(streams),), self.choice.first, dtype=torch.float64)
        return replace(state, memory={**state.memory, "log_weights": log_weights, "ancestors": own, "eta": eta})

    def step(self, state: State, streams: SampleStreams) -> tuple[State, Info]:
        """Reweight, resample if needed, move."""
        k, last, n = state.step, self.total - 1, len(streams)
        eta, ess = state.memory["eta"][0].item(), float(n)
        if k > 0:
            before, eta = eta, self.choice.following(k, eta, state.x, state.memory["log_weights"], streams)
            state = self._reweighted(state, before, eta, streams)
            ess = effective_sample_size(state.memory["log_weights"]).item()
            if ess < RESAMPLE_BELOW * n or k == last:
                state = _resampled(state, streams)
        moved, info = self.move.iterate(state, eta, streams)
        if k == last and self.correct:
            moved = self._reweighted(moved, eta, 0.0, streams)
            ess = min(ess, effective_sample_size(moved.memory["log_weights"]).item())
            moved = _resampled(moved, streams)
        moved = replace(moved, memory={**moved.memory, "eta": torch.full_like(state.memory["eta"], eta)})
        return moved, {**info, **self._numbers(moved, ess)}

    def _reweighted(self, state: State, eta: float, eta_next: float, streams: SampleStreams) -> State:
        log_weights = state.memory["log_weights"] + self.smoothed.log_ratio(state.x, eta, eta_next, streams)
        return replace(state, memory={**state.memory, "log_weights": log_weights})

    @staticmethod
    def _numbers(state: State, ess: float) -> Info:
        like = torch.ones_like(state.memory["log_weights"])
        distinct = len(state.memory["ancestors"].unique())
        return {"effective_sample_size": ess * like, "distinct_ancestors": distinct * like}


def _resampled(state: State, streams: SampleStreams) -> State:
    log_weights = state.memory["log_weights"]
    chosen = systematic_resample(log_weights, torch.rand((), generator=streams.population).item())
    memory = {name: value[chosen] for name, value in state.memory.items()}
    return replace(state, x=state.x[chosen], memory={**memory, "log_weights": torch.zeros_like(log_weights)})
