"""A prior on disk: ``model.safetensors`` (16-bit EMA weights) beside ``card.json`` (what it is and how it was made)."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dpnp.errors import PriorError
from dpnp.priors.base import ImageShape
from dpnp.priors.card import CARD, FORMAT, Layout, layout_of, read_card
from dpnp.priors.edm import EDMDenoiser, EDMPrior
from dpnp.priors.info import PriorInfo
from dpnp.priors.linear import LinearDenoiser
from dpnp.priors.spectrum import rings

WEIGHTS = "model.safetensors"
LARGEST_POWER = 1e12  # of images in [-1, 1] scale: far above any


def save_prior(
    prior: EDMPrior,
    folder: Path,
    *,
    training: dict[str, Any],
    licence: str = "unknown",
    summary: str = "",
    extra: dict[str, Any] | None = None,
) -> None:
    """Write ``prior`` to ``folder`` with float16 weights; replaces the folder's previous contents in one rename.

    ``extra`` are further fields of the card, such as a scale that the images are in.
    """
    denoiser = prior.network
    settings: dict[str, Any] = dict(denoiser.network.config)  # type: ignore[arg-type]  # a diffusers model's own arguments
    config = {k: v for k, v in settings.items() if not k.startswith("_")}
    card = {
        "format": FORMAT,
        "image_shape": list(prior.image_shape),
        "linear_rank": denoiser.linear.rank,
        "patch": denoiser.patch,
        "sigma_range": [float(f"{s:.4g}") for s in prior.sigma_range],
        "licence": licence,
        "summary": summary,
        "training": training,
        "network": config,
        **(extra or {}),
    }
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    weights = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in denoiser.state_dict().items()}
    save_file(weights, partial / WEIGHTS)
    (partial / CARD).write_text(json.dumps(card, indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)


def recognises(path: Path) -> bool:
    """Whether ``path`` is a folder with a card."""
    return (path / CARD).is_file()


def info(path: Path) -> PriorInfo:
    """What the card of the prior in the folder ``path`` says. Raises :class:`dpnp.PriorError` when there is none, or it cannot be used."""
    card = read_card(path)
    layout, training = layout_of(card, path), card.get("training", {})
    if not isinstance(training, dict):
        raise PriorError(f"{path / CARD} has training {training!r}, expected a JSON object")
    licence, source = str(card.get("licence", "unknown")), str(training.get("data", "unknown"))
    return PriorInfo(path.name, layout.image_shape, licence, source, str(card.get("summary", "")), path)


def weight_files(path: Path) -> list[Path]:
    """The file with the weights."""
    return [path / WEIGHTS]


def load(path: Path, *, name: str, device: torch.device | str = "cpu") -> EDMPrior:
    """Read a prior written by :func:`save_prior`. Raises :class:`PriorError` with the cause when it cannot be used."""
    card = read_card(path)
    layout = layout_of(card, path)
    try:
        denoiser = _blank_denoiser(layout)
        denoiser.load_state_dict(_finite(load_file(path / WEIGHTS)))
        spectrum = _spectrum(card.get("spectrum"), layout.image_shape)
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError, OSError, SafetensorError) as error:
        raise PriorError(f"the prior in {path} cannot be loaded: {error}") from error
    prior = EDMPrior(denoiser, layout.image_shape, sigma_range=layout.sigma_range, name=name, card=card)
    prior.spectrum = spectrum
    return prior.to(device)


def _finite(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    if wrong := sorted(key for key, value in weights.items() if not value.isfinite().all()):
        raise ValueError(f"expected finite weights, got NaN or infinity in {len(wrong)} tensors, {wrong[0]} among them")
    return weights


def _spectrum(values: list[float] | None, image_shape: ImageShape) -> Tensor | None:
    if values is None:
        return None
    spectrum, (c, h, w) = torch.tensor(values, dtype=torch.float64), image_shape
    shape = (len(rings(h, w, spectrum.device)[1]), c, c)
    if spectrum.shape != (math.prod(shape),) or not (spectrum.abs() < LARGEST_POWER).all():
        raise ValueError(f"expected a spectrum of {math.prod(shape)} numbers, got {len(values)} or some that are infinite or not numbers")
    spectrum = spectrum.reshape(shape)
    if (spectrum.diagonal(dim1=1, dim2=2) < 0).any():
        raise ValueError("expected a spectrum without negative power")
    return spectrum


def _blank_denoiser(layout: Layout) -> EDMDenoiser:
    from diffusers import UNet2DModel  # takes seconds to import: only for those who load a network

    rank, d = layout.linear_rank, math.prod(layout.image_shape)
    linear = LinearDenoiser(torch.zeros(layout.image_shape), torch.zeros(rank, d), torch.zeros(rank), torch.ones(()))
    return EDMDenoiser(UNet2DModel(**layout.network), linear, layout.patch, layout.padded)
