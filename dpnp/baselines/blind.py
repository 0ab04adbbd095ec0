"""BlindDPS: guided ancestral sampling of image and blur kernel side by side (Chung et al., CVPR 2023)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dpnp.baselines.guided import ancestral_draw
from dpnp.baselines.vp import Rung
from dpnp.priors.base import Prior
from dpnp.rng import SampleStreams
from dpnp.samplers.base import Info, State
from dpnp.samplers.blind import KAPPA, as_kernel

BlindObjective = Callable[[Tensor, Tensor], Tensor]
"""What guidance climbs: a number per image (B,) of the denoised images (B, C, H, W) and their blur kernels (B, h, w)."""


@dataclass(frozen=True)
class BlindGuidedKernel:
    """Two ancestral chains, the image's and the kernel's, each moved by its own gradient of the objective of both denoised ones.

    State memory as for DPnP's: ``kernel_image`` (B, h, w) in the kernel prior's scale, ``kernel`` the blur kernel that it stands for.
    """

    prior: Prior
    kernel_prior: Prior
    rungs: list[Rung]
    objective: BlindObjective
    step_size: float

    @property
    def total(self) -> int:
        """Calls of each denoiser; every step is one."""
        return len(self.rungs)

    @property
    def nfe(self) -> int:
        """Calls of the image's denoiser per sample (each with a backward pass); the kernel's is called as often."""
        return self.total

    def init(self, streams: SampleStreams) -> State:
        """Standard normal images and kernel images."""
        kappa = streams.normal(self.kernel_prior.image_shape[1:])
        return State(0, streams.normal(self.prior.image_shape), {KAPPA: kappa, "kernel": as_kernel(kappa)})

    def step(self, state: State, streams: SampleStreams) -> tuple[State, Info]:
        """One rung down for both."""
        rung = self.rungs[state.step]
        with torch.enable_grad():
            x, kappa = (t.detach().requires_grad_(True) for t in (state.x, state.memory[KAPPA][:, None]))
            clean, clean_kappa = _denoised(self.prior, x, rung), _denoised(self.kernel_prior, kappa, rung)
            value = self.objective(clean, as_kernel(clean_kappa[:, 0])).sum()
            gradients = torch.autograd.grad(value, (x, kappa))
        moved, moved_kappa = (
            ancestral_draw(at.detach(), target.detach(), rung, streams) + self.step_size * gradient
            for at, target, gradient in zip((x, kappa), (clean, clean_kappa), gradients, strict=True)
        )
        memory = {KAPPA: moved_kappa[:, 0], "kernel": as_kernel(moved_kappa[:, 0])}
        return State(state.step + 1, moved, memory), {"gradient_calls": torch.full((len(x),), float(state.step + 1), device=x.device)}


def _denoised(prior: Prior, x: Tensor, rung: Rung) -> Tensor:
    levels = torch.full((len(x),), rung.sigma, device=x.device, dtype=x.dtype)
    return prior.denoise(x / math.sqrt(rung.abar), levels)
