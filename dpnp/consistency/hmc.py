"""Hamiltonian Monte Carlo: consistency draws that travel, where MALA's would diffuse."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dpnp.consistency.base import Draw, Memory
from dpnp.consistency.metric import FLAT, Metric
from dpnp.consistency.point import Point, evaluate, select, signed, squares
from dpnp.rng import SampleStreams
from operators import ForwardModel

LEAPS = 5  # gradients of a trajectory, unless told otherwise
TARGET_ACCEPTANCE = 0.7
ADAPTATION = 0.4  # gain of the recursion on log(step)
LARGEST = math.log(0.6)  # of log(step): LEAPS of them are about half a turn of an ideal chain
JITTER = (0.5, 1.5)  # factors of a trajectory's step: no direction returns to its start every time


@dataclass(frozen=True)
class HMC:
    """Hamiltonian Monte Carlo for U(x) = -log p(y | x) + |x - x_k|² / (2 eta²), one chain per sample.

    With P = (I/eta² + G)^-1, G the metric's guess of the likelihood's curvature, velocities are N(0, P) and each leap turns (x - x_k, v)
    by an angle, the exact flow of N(x_k, P), between two half kicks by what the guess leaves of the gradient (Beskos, Pinski, Sanz-Serna
    & Stuart 2011): where the likelihood says nothing, as at pixels that are not measured, no step is too large. A trajectory is accepted
    by the true Metropolis ratio, per chain; during the first half of a call's trajectories the angle of each chain is driven towards an
    acceptance of 70%, then frozen. Exact as their number grows. Where the map is even the sign is drawn at last.
    """

    model: ForwardModel
    y: Tensor
    trajectories: int
    metric: Metric = FLAT
    leaps: int = LEAPS

    def init(self, n: int) -> Memory:
        """Every chain starts with a small angle."""
        return {"log_step": torch.full((n,), -1.0, device=self.y.device, dtype=self.y.dtype)}

    def draw(self, x_k: Tensor, eta: float, memory: Memory, streams: SampleStreams) -> Draw:
        """The chains' state after all trajectories from ``x_k`` (B, C, H, W). Info: ``acceptance`` after adaptation."""
        log_step = memory["log_step"]
        point = evaluate(self.model, self.y, x_k)
        accepted, adapting = torch.zeros_like(log_step), self.trajectories // 2
        for k in range(self.trajectories):
            point, probability = self.trajectory(point, x_k, eta, log_step, streams)
            if k < adapting:
                log_step = (log_step + ADAPTATION * (probability - TARGET_ACCEPTANCE)).clamp_max(LARGEST)
            else:
                accepted += probability
        calls = torch.full_like(accepted, self.trajectories * self.leaps + 1)
        x = signed(point.x, x_k, eta, streams) if self.model.map.even else point.x
        return Draw(x, {"log_step": log_step}, {"acceptance": accepted / (self.trajectories - adapting), "gradient_calls": calls})

    def trajectory(self, start: Point, x_k: Tensor, eta: float, log_step: Tensor, streams: SampleStreams) -> tuple[Point, Tensor]:
        """One trajectory and its Metropolis test; returns the new point and the acceptance probabilities (B,)."""
        jitter = JITTER[0] + (JITTER[1] - JITTER[0]) * streams.uniform().to(log_step)
        angle = (jitter * log_step.exp()).reshape(-1, 1, 1, 1)
        cos, sin, half = angle.cos(), angle.sin(), angle / 2
        white = streams.normal(tuple(x_k.shape[1:]))
        velocity, point = self.metric.power(white, 0.5, eta), start
        kick = half * self._kick(point, x_k, eta)
        for _ in range(self.leaps):
            velocity, away = velocity + kick, point.x - x_k
            point = evaluate(self.model, self.y, x_k + cos * away + sin * velocity)
            kick = half * self._kick(point, x_k, eta)  # ends this leap and begins the next
            velocity = cos * velocity - sin * away + kick
        gained = self._energy(start, x_k, eta) + 0.5 * squares(white) - self._energy(point, x_k, eta)
        log_ratio = gained - 0.5 * squares(self.metric.power(velocity, -0.5, eta))
        probability = torch.nan_to_num(log_ratio, nan=-torch.inf).clamp_max(0).exp()
        return select(streams.uniform() < probability, point, start), probability

    def _kick(self, point: Point, x_k: Tensor, eta: float) -> Tensor:
        away = point.x - x_k
        return self.metric.power(point.gradient - away / eta**2, 1.0, eta) + away

    @staticmethod
    def _energy(point: Point, x_k: Tensor, eta: float) -> Tensor:
        return 0.5 * squares(point.x - x_k) / eta**2 - point.log_likelihood
