"""``load_prior``: from a name, a path or a Hugging Face id to a prior, whatever the checkpoint's format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch

from dpnp.errors import PriorError
from dpnp.priors import adm, diffusers, folder, hub
from dpnp.priors.card import CARD
from dpnp.priors.info import PriorInfo
from dpnp.priors.network import NetworkPrior
from dpnp.priors.precision import Precision

SHIPPED = Path(__file__).parent / "shipped"


class Format(Protocol):
    """A module that reads one kind of checkpoint."""

    def recognises(self, path: Path) -> bool:
        """Whether ``path`` looks like one; nothing is loaded."""
        ...

    def info(self, path: Path) -> PriorInfo:
        """What it says of itself, without loading weights. Raises :class:`dpnp.PriorError`."""
        ...

    def weight_files(self, path: Path) -> list[Path]:
        """The files that :meth:`load` reads weights from."""
        ...

    def load(self, path: Path, *, name: str, device: torch.device | str) -> NetworkPrior:
        """The prior. Raises :class:`dpnp.PriorError`."""
        ...


FORMATS: tuple[Format, ...] = (folder, diffusers, adm)


def format_of(path: Path) -> Format:
    """The format of the checkpoint at ``path``. Raises :class:`dpnp.PriorError` when it is none."""
    for candidate in FORMATS:
        if candidate.recognises(path):
            return candidate
    raise PriorError(f"{path} is not a prior: it has no {CARD}, and is no diffusers folder and no guided-diffusion state dict")


def list_priors(folder: Path | None = None) -> list[PriorInfo]:
    """The priors in ``folder`` (default: the shipped ones), by name. Raises :class:`dpnp.PriorError` when one is broken."""
    return [prior_info(path) for path in candidates(folder or SHIPPED)]


def candidates(folder: Path) -> list[Path]:
    """The sub-folders and files of ``folder`` that look like a checkpoint, by name."""
    return sorted(path for path in folder.glob("*") if any(f.recognises(path) for f in FORMATS))


def prior_info(path: Path) -> PriorInfo:
    """What the prior at ``path`` says of itself. Raises :class:`dpnp.PriorError` when there is none."""
    return format_of(path).info(path)


def weight_files(path: Path) -> list[Path]:
    """The files that the weights of the prior at ``path`` are read from. Raises :class:`dpnp.PriorError` when there is none."""
    return format_of(path).weight_files(path)


def find_prior(name: str | Path) -> PriorInfo:
    """The prior of that shipped name, local path or Hugging Face id, fetched if need be, but not loaded.

    Raises :class:`dpnp.PriorError`, which lists the known names, when there is none.
    """
    if (SHIPPED / str(name) / CARD).is_file():
        return prior_info(SHIPPED / str(name))
    if Path(name).exists():
        return prior_info(Path(name).resolve())
    if not hub.is_id(str(name)):
        known = ", ".join(info.name for info in list_priors()) or "none"
        raise PriorError(f"unknown prior {str(name)!r}: no shipped prior ({known}), no local path, and no Hugging Face id (owner/name)")
    prior_info(hub.fetch_configs(str(name)))  # before gigabytes of weights for nothing
    return replace(prior_info(hub.fetch_weights(str(name))), name=str(name))


def load_prior(name: str | Path, device: torch.device | str | None = None, precision: Precision = "auto") -> NetworkPrior:
    """Load a prior by shipped name, local path or Hugging Face id, onto ``device`` (default: a GPU when there is one).

    ``precision`` is that inside the network: ``auto`` is bfloat16 where that is faster, on a GPU that has it and, for all but the smallest
    networks, on a CPU with AMX; else float32. Images are float32 in any case.

    Nothing in a checkpoint is executed: weights come from safetensors, or from pickles that hold tensors alone.
    Raises :class:`dpnp.PriorError`, which lists the known names, when there is none of that name or it cannot be used.
    """
    info = find_prior(name)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return format_of(info.folder).load(info.folder, name=info.name, device=device).tune(precision)
