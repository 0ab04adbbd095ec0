"""MALA: consistency draws for any differentiable likelihood, with the Metropolis test that makes them right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpnp.consistency.base import Draw, Memory
from dpnp.consistency.metric import FLAT, Metric
from dpnp.consistency.point import Point, evaluate, select, signed, squares
from dpnp.rng import SampleStreams
from operators import ForwardModel

TARGET_ACCEPTANCE = 0.57
ADAPTATION = 2.0  # gain of the Robbins-Monro recursion on log(step)


@dataclass(frozen=True)
class MALA:
    """Metropolis-adjusted Langevin chains for U(x) = -log p(y | x) + |x - x_k|² / (2 eta²), one per sample.

    With P = (I/eta² + G)^-1, G the metric's guess of the likelihood's curvature, the proposal follows the exact Ornstein-Uhlenbeck flow
    of N(x_k, P) for a time t (the exponential integrator), with the rest of the gradient frozen: for r = exp(-t),
    ``x' ~ N(x - (1 - r) P U'(x), (1 - r²) P)``.
    It is accepted with the true Metropolis-Hastings ratio, per chain. During the first ``adapt`` share of the ``steps`` of a call log t
    of each chain is driven towards an acceptance of 57% (Roberts & Rosenthal 1998), then frozen, so that the rest of the call is a
    Markov chain with the exact invariant law. Exact as ``steps`` grows. Where the map is even the sign is drawn at last.
    """

    model: ForwardModel
    y: Tensor
    steps: int
    adapt: float = 0.5
    metropolis: bool = True
    metric: Metric = FLAT

    def init(self, n: int) -> Memory:
        """Every chain starts with the time step at which noise and decay balance."""
        return {"log_time": torch.zeros(n, device=self.y.device, dtype=self.y.dtype)}

    def draw(self, x_k: Tensor, eta: float, memory: Memory, streams: SampleStreams) -> Draw:
        """The chains' state after ``steps`` steps from ``x_k`` (B, C, H, W). Info: ``acceptance`` after adaptation."""
        log_time = memory["log_time"]
        point = evaluate(self.model, self.y, x_k)
        adapting = int(self.adapt * self.steps)
        accepted = torch.zeros_like(log_time)
        for k in range(self.steps):
            point, probability = self.step(point, x_k, eta, log_time, streams)
            if k < adapting:
                log_time = log_time + ADAPTATION * (k + 1) ** -0.6 * (probability - TARGET_ACCEPTANCE)
            else:
                accepted += probability
        info = {"acceptance": accepted / (self.steps - adapting), "gradient_calls": torch.full_like(accepted, self.steps + 1)}
        x = signed(point.x, x_k, eta, streams) if self.model.map.even else point.x
        return Draw(x, {"log_time": log_time}, info)

    def step(self, point: Point, x_k: Tensor, eta: float, log_time: Tensor, streams: SampleStreams) -> tuple[Point, Tensor]:
        """One Metropolis-adjusted step; returns the new point and the acceptance probabilities (B,)."""
        move = -torch.expm1(-log_time.exp()).reshape(-1, 1, 1, 1)
        spread = torch.sqrt(-torch.expm1(-2 * log_time.exp())).reshape(-1, 1, 1, 1)
        forward = streams.normal(tuple(x_k.shape[1:]))
        proposal = evaluate(self.model, self.y, self._mean(point, x_k, eta, move) + spread * self.metric.power(forward, 0.5, eta))
        backward = self.metric.power(point.x - self._mean(proposal, x_k, eta, move), -0.5, eta) / spread
        log_ratio = (
            proposal.log_likelihood
            - point.log_likelihood
            + 0.5 * squares(point.x - x_k) / eta**2
            - 0.5 * squares(proposal.x - x_k) / eta**2
            + 0.5 * (squares(forward) - squares(backward))
        )
        probability = torch.nan_to_num(log_ratio, nan=-torch.inf).clamp_max(0).exp()
        accept = (streams.uniform() < probability) | (not self.metropolis)
        return select(accept, proposal, point), probability

    def _mean(self, point: Point, x_k: Tensor, eta: float, move: Tensor) -> Tensor:
        return point.x + move * self.metric.power(point.gradient - (point.x - x_k) / eta**2, 1.0, eta)
