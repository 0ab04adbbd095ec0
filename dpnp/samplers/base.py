"""What every sampler is: a frozen configuration that makes a kernel, and a kernel of pure ``init`` / ``step``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import torch
from pydantic import ConfigDict
from torch import Tensor

from dpnp.priors.base import Prior
from dpnp.rng import SampleStreams
from operators import ForwardModel

SAMPLER_CONFIG = ConfigDict(extra="forbid")

Info = dict[str, Tensor]
"""Named numbers of one step, one per sample: (B,)."""


@dataclass(frozen=True)
class State:
    """All that a chain remembers; with the streams' positions it is a checkpoint.

    ``x`` (B, C, H, W); ``memory`` named tensors (B, ...); ``kept`` (B, k, C, H, W) the draws that a long run has recorded.
    """

    step: int
    x: Tensor
    memory: dict[str, Tensor] = field(default_factory=dict)
    kept: Tensor | None = None

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers and CPU tensors."""
        kept = None if self.kept is None else self.kept.cpu()
        return {"step": self.step, "x": self.x.cpu(), "memory": {k: v.cpu() for k, v in self.memory.items()}, "kept": kept}

    def restored(self, saved: dict[str, Any]) -> State:
        """The saved state, on this state's device.

        Raises ``ValueError`` where it lacks what this kernel remembers, as another version's does.
        """
        if missing := self.memory.keys() - saved["memory"].keys():
            there = ", ".join(sorted(saved["memory"])) or "nothing"
            raise ValueError(f"expected a saved state with {', '.join(sorted(missing))}, got one with {there}")
        device = self.x.device
        memory = {k: v.to(device) for k, v in saved["memory"].items()}
        kept = None if saved["kept"] is None else saved["kept"].to(device)
        return replace(self, step=saved["step"], x=saved["x"].to(device), memory=memory, kept=kept)

    @property
    def draws(self) -> Tensor:
        """The result so far, (B, k, C, H, W): what was kept, else ``x`` as the one draw of each chain."""
        return self.x[:, None] if self.kept is None else self.kept


class Kernel(Protocol):
    """One sampler bound to one problem."""

    @property
    def total(self) -> int:
        """Steps from ``init`` to the result."""
        ...

    @property
    def nfe(self) -> int:
        """Denoiser calls per sample over all steps."""
        ...

    def init(self, streams: SampleStreams) -> State:
        """The chains before the first step."""
        ...

    def step(self, state: State, streams: SampleStreams) -> tuple[State, Info]:
        """One step of all chains."""
        ...


class Sampler(ABC):
    """Configuration of a sampler: a frozen pydantic dataclass whose fields are its schema everywhere."""

    name: ClassVar[str]
    samples_hidden: ClassVar[bool] = False
    """Whether it samples what a model has unknown beside the image (``model.hidden``)."""
    summary: ClassVar[str]

    @abstractmethod
    def kernel(self, prior: Prior, model: ForwardModel, y: Tensor) -> Kernel:
        """Bind to a problem. Raises :class:`dpnp.UnsupportedError` when the problem lacks a structure that is asked for."""


def no_grad_step(kernel: Kernel, state: State, streams: SampleStreams) -> tuple[State, Info]:
    """``kernel.step`` without recording gradients."""
    with torch.no_grad():
        return kernel.step(state, streams)
