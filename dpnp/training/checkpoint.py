"""Resumable training state on disk, and the finished prior's folder."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dpnp.training.config import TrainConfig

CHECKPOINT = "checkpoint.pt"
FIELDS = {"model", "ema", "optimizer", "progress", "config"}


class CheckpointError(ValueError):
    """A run cannot be resumed from its checkpoint; the message says what was expected and what came."""


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
    """The saved state, or None when the folder holds none. Raises :class:`CheckpointError` when the file is damaged."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        cause, *_ = str(error).split("\n")
        raise CheckpointError(f"{path} is no whole checkpoint: {cause}") from error
    if not isinstance(state, dict) or not state.keys() >= FIELDS:
        raise CheckpointError(f"{path} is no checkpoint of a training run: expected {', '.join(sorted(FIELDS))}")
    return state


def check_same_network(state: dict[str, Any], model: nn.Module, config: TrainConfig) -> None:
    """Raises :class:`CheckpointError` when the saved weights are not those of ``model``, with the options or tensors that differ."""
    there, here = _shapes(state["model"]), _shapes(model.state_dict())
    if there == here:
        return
    options = _differences(_options(json.loads(state["config"])), _options(config.model_dump(mode="json")))
    tensors = _differences(there, here)
    raise CheckpointError(f"the checkpoint is of another network: {', '.join(options or tensors[:1])}")


def _shapes(weights: dict[str, Tensor]) -> dict[str, Any]:
    return {key: tuple(value.shape) for key, value in weights.items()}


def _options(config: dict[str, Any]) -> dict[str, Any]:
    """What the command line says of the network."""
    return {"linear_rank": config.get("linear_rank"), **config.get("network", {})}


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    keys = [key for key in {**there, **here} if there.get(key) != here.get(key)]
    return [f"{key} is {there.get(key, 'missing')} there and {here.get(key, 'missing')} here" for key in keys]


@torch.no_grad()
def update_ema(ema: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of the weights, its decay shortened early so that the start is forgotten."""
    beta = min(decay, (1 + step) / (10 + step))
    target: list[Tensor] = list(ema.parameters())
    torch._foreach_lerp_(target, list(model.parameters()), 1 - beta)
