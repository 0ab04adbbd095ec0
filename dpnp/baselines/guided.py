"""Guided ancestral sampling: the loop that DPS and LGD-MC share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dpnp.baselines.vp import Rung
from dpnp.priors.base import Prior
from dpnp.rng import SampleStreams
from dpnp.samplers.base import Info, State

Objective = Callable[[Tensor, Rung, SampleStreams], Tensor]
"""What guidance climbs: a number per image (B,) of the denoised images (B, C, H, W)."""

StepSize = Callable[[Rung], float]


@dataclass(frozen=True)
class GuidedKernel:
    """DDPM's ancestral step with the original coefficients, then a gradient step on the objective of the denoised image.

    X_{t-1} = E[X_{t-1} | X_t, X_0 = D] + noise + step_size · grad_{X_t} objective(D(X_t)); the gradient goes through the denoiser.
    """

    prior: Prior
    rungs: list[Rung]
    objective: Objective
    step_size: StepSize

    @property
    def total(self) -> int:
        """Denoiser calls; every step is one."""
        return len(self.rungs)

    @property
    def nfe(self) -> int:
        """Denoiser calls per sample (each with a backward pass)."""
        return self.total

    def init(self, streams: SampleStreams) -> State:
        """X_T ~ N(0, I)."""
        return State(0, streams.normal(self.prior.image_shape))

    def step(self, state: State, streams: SampleStreams) -> tuple[State, Info]:
        """One rung down."""
        rung = self.rungs[state.step]
        with torch.enable_grad():
            x = state.x.detach().requires_grad_(True)
            levels = torch.full((len(x),), rung.sigma, device=x.device, dtype=x.dtype)
            clean = self.prior.denoise(x / math.sqrt(rung.abar), levels)
            (gradient,) = torch.autograd.grad(self.objective(clean, rung, streams).sum(), x)
        moved = ancestral_draw(state.x, clean.detach(), rung, streams) + self.step_size(rung) * gradient
        return State(state.step + 1, moved), {"gradient_calls": torch.full((len(x),), float(state.step + 1), device=x.device)}


def ancestral_draw(x: Tensor, clean: Tensor, rung: Rung, streams: SampleStreams) -> Tensor:
    """A draw of q(X_{t-1} | X_t = x, X_0 = clean) (Ho et al. 2020, eq. 6-7); the mean alone on the last rung."""
    alpha, abar, abar_next = rung.alpha, rung.abar, rung.abar_next
    mean = math.sqrt(abar_next) * (1 - alpha) / (1 - abar) * clean + math.sqrt(alpha) * (1 - abar_next) / (1 - abar) * x
    if abar_next == 1.0:
        return mean
    return mean + math.sqrt((1 - alpha) * (1 - abar_next) / (1 - abar)) * streams.normal(tuple(x.shape[1:]))
