"""The long run: several draws of every chain at constant eta."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from dpnp.rng import SampleStreams
from dpnp.samplers.base import Info, Kernel, State


@dataclass(frozen=True)
class LongRun:
    """Keeps the chains' states after ``first`` steps and then every ``thinning`` steps."""

    chains: Kernel
    first: int
    thinning: int

    @property
    def total(self) -> int:
        """Steps to the last kept draw."""
        return self.chains.total

    @property
    def nfe(self) -> int:
        """Denoiser calls per chain."""
        return self.chains.nfe

    def init(self, streams: SampleStreams) -> State:
        """The chains' own start; nothing kept."""
        return self.chains.init(streams)

    def step(self, state: State, streams: SampleStreams) -> tuple[State, Info]:
        """One step of the chains; keep it when its turn has come."""
        moved, info = self.chains.step(state, streams)
        beyond = moved.step - self.first
        if beyond < 0 or beyond % self.thinning:
            return moved, info
        draw = moved.x[:, None]
        return replace(moved, kept=draw if moved.kept is None else torch.cat([moved.kept, draw], dim=1)), info
