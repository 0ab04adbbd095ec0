"""Resumable training state on disk, and the finished prior's folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dpnp.training.config import TrainConfig

CHECKPOINT = "checkpoint.pt"


@dataclass
class Progress:
    """What a run has reached; with the weights, all that a resumed run needs (its noise is a function of the step)."""

    step: int = 0
    seconds: float = 0.0
    best_psnr: float = float("-inf")


def save_checkpoint(
    folder: Path, denoiser: nn.Module, ema: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, config: TrainConfig
) -> None:
    """Write the run's state atomically: a killed run leaves the previous checkpoint whole."""
    state = {
        "model": denoiser.state_dict(),
        "ema": ema.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": vars(progress),
        "config": config.model_dump_json(),
    }
    partial = folder / (CHECKPOINT + ".partial")
    torch.save(state, partial)
    os.replace(partial, folder / CHECKPOINT)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The saved state, or None when the folder holds none."""
    path = folder / CHECKPOINT
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


@torch.no_grad()
def update_ema(ema: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of the weights, its decay shortened early so that the start is forgotten."""
    beta = min(decay, (1 + step) / (10 + step))
    target: list[Tensor] = list(ema.parameters())
    torch._foreach_lerp_(target, list(model.parameters()), 1 - beta)
