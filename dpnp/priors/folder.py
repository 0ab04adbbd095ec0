"""A prior on disk: ``model.safetensors`` (16-bit EMA weights) beside ``card.json`` (what it is and how it was made)."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dpnp.errors import PriorError
from dpnp.priors.base import ImageShape
from dpnp.priors.edm import EDMDenoiser, EDMPrior
from dpnp.priors.info import PriorInfo
from dpnp.priors.linear import LinearDenoiser
from dpnp.priors.spectrum import rings

if TYPE_CHECKING:
    from diffusers import UNet2DModel

WEIGHTS, CARD = "model.safetensors", "card.json"
FORMAT = "dpnp-edm-1"


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


def read_card(folder: Path) -> dict[str, Any]:
    """The prior's card. Raises :class:`PriorError` when the folder is not a prior of this format."""
    try:
        card = json.loads((folder / CARD).read_text())
    except FileNotFoundError as error:
        raise PriorError(f"{folder} is not a prior: it has no {CARD}") from error
    except ValueError as error:
        raise PriorError(f"{folder / CARD} is not JSON: {error}") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else type(card).__name__
        raise PriorError(f"{folder / CARD} has format {found!r}, expected {FORMAT!r}")
    return card


def recognises(path: Path) -> bool:
    """Whether ``path`` is a folder with a card."""
    return (path / CARD).is_file()


def info(path: Path) -> PriorInfo:
    """What the card of the prior in the folder ``path`` says. Raises :class:`dpnp.PriorError` when there is none."""
    card = read_card(path)
    try:
        c, h, w = map(int, card["image_shape"])
        source = str(card.get("training", {}).get("data", "unknown"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PriorError(f"the card in {path} is not one of a prior: {error!r}") from error
    return PriorInfo(path.name, (c, h, w), str(card.get("licence", "unknown")), source, str(card.get("summary", "")), path)


def load(path: Path, *, name: str, device: torch.device | str = "cpu") -> EDMPrior:
    """Read a prior written by :func:`save_prior`. Raises :class:`PriorError` with the cause when it cannot be used."""
    from diffusers import UNet2DModel  # takes seconds to import: only for those who load a network

    card = read_card(path)
    try:
        c, h, w = card["image_shape"]
        low, high = card["sigma_range"]
        denoiser = _blank_denoiser(UNet2DModel(**card["network"]), (c, h, w), card["linear_rank"], card.get("patch", 1))
        denoiser.load_state_dict(load_file(path / WEIGHTS))
        spectrum = _spectrum(card.get("spectrum"), (c, h, w))
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        raise PriorError(f"the prior in {path} cannot be loaded: {error}") from error
    shape: ImageShape = (c, h, w)
    prior = EDMPrior(denoiser, shape, sigma_range=(low, high), name=name, card=card)
    prior.spectrum = spectrum
    return prior.to(device)


def _spectrum(values: list[float] | None, image_shape: ImageShape) -> Tensor | None:
    if values is None:
        return None
    spectrum, (c, h, w) = torch.tensor(values, dtype=torch.float64), image_shape
    shape = (len(rings(h, w, spectrum.device)[1]), c, c)
    if spectrum.shape != (math.prod(shape),) or not spectrum.isfinite().all():
        raise ValueError(f"expected a spectrum of {math.prod(shape)} finite numbers, got {len(values)}")
    return spectrum.reshape(shape)


def _blank_denoiser(network: UNet2DModel, image_shape: ImageShape, rank: int, patch: int) -> EDMDenoiser:
    d = torch.Size(image_shape).numel()
    linear = LinearDenoiser(torch.zeros(image_shape), torch.zeros(rank, d), torch.zeros(rank), torch.ones(()))
    height, width = network.config["sample_size"]
    return EDMDenoiser(network, linear, patch, (height * patch, width * patch))
