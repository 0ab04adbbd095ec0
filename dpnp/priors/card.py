"""``card.json`` of this project's own format: what loading depends on, checked before any weight is read."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpnp.errors import PriorError
from dpnp.priors.base import ImageShape
from dpnp.priors.unconditional import IMAGE_CHANNELS, check_unconditional

CARD, FORMAT = "card.json", "dpnp-edm-1"


@dataclass(frozen=True)
class Layout:
    """The fields of a card that a prior is built from."""

    image_shape: ImageShape
    linear_rank: int
    patch: int
    sigma_range: tuple[float, float]
    network: dict[str, Any]
    padded: tuple[int, int]
    """Sides (H, W) in pixels of what the network sees."""


def read_card(folder: Path) -> dict[str, Any]:
    """The prior's card. Raises :class:`dpnp.PriorError` when the folder is not a prior of this format."""
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


def layout_of(card: dict[str, Any], folder: Path) -> Layout:
    """What the card of the prior in ``folder`` says. Raises :class:`dpnp.PriorError` with what was expected and what came."""
    where = folder / CARD
    shape, (rank, patch) = _image_shape(card.get("image_shape"), where), _counts(card, where)
    sigma_range, network = _sigma_range(card.get("sigma_range"), where), _network(card.get("network"), where)
    _check_channels(network, shape[0], patch, rank, where)
    return Layout(shape, rank, patch, sigma_range, network, _padded(network.get("sample_size"), shape, patch, where))


def _is_integer(value: Any, least: int) -> bool:
    return type(value) is int and value >= least  # not a bool, which is an int too


def _image_shape(value: Any, where: Path) -> ImageShape:
    if not (isinstance(value, list) and len(value) == 3 and all(_is_integer(n, 1) for n in value)):
        raise PriorError(f"{where} has image_shape {value!r}, expected three positive integers [channels, height, width]")
    c, h, w = value
    if c not in IMAGE_CHANNELS:
        raise PriorError(f"{where} has images of {c} channels, expected 1 (grey) or 3 (RGB)")
    return c, h, w


def _counts(card: dict[str, Any], where: Path) -> tuple[int, int]:
    rank, patch = card.get("linear_rank"), card.get("patch", 1)
    for name, value, least in (("linear_rank", rank, 0), ("patch", patch, 1)):
        if not _is_integer(value, least):
            raise PriorError(f"{where} has {name} {value!r}, expected an integer of at least {least}")
    return rank, patch  # type: ignore[return-value]  # checked above


def _sigma_range(value: Any, where: Path) -> tuple[float, float]:
    pair = isinstance(value, list) and len(value) == 2 and all(type(v) in (int, float) for v in value)
    if not pair or not 0 < value[0] < value[1] < math.inf:
        raise PriorError(f"{where} has sigma_range {value!r}, expected two finite numbers [low, high] with 0 < low < high")
    return value[0], value[1]


def _network(value: Any, where: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PriorError(f"{where} has network {value!r}, expected the arguments of a UNet2DModel")
    check_unconditional(where, value)
    return value


def _check_channels(network: dict[str, Any], colours: int, patch: int, rank: int, where: Path) -> None:
    """The network sees ``patch`` x ``patch`` pixels as channels, and the linear denoiser's estimate too where that has components."""
    expected = colours * patch**2 * (2 if rank else 1), colours * patch**2
    found = network.get("in_channels", 3), network.get("out_channels", 3)
    if found != expected:
        raise PriorError(
            f"the network in {where} maps {found[0]} channels to {found[1]}, expected {expected[0]} to {expected[1]} "
            f"for images of {colours} channels, patch {patch} and linear_rank {rank}"
        )


def _padded(sample_size: Any, image_shape: ImageShape, patch: int, where: Path) -> tuple[int, int]:
    least = [-(-side // patch) for side in image_shape[1:]]
    pair = isinstance(sample_size, list) and len(sample_size) == 2
    if not pair or not all(_is_integer(side, small) for side, small in zip(sample_size, least, strict=True)):
        raise PriorError(f"the network in {where} has sample_size {sample_size!r}, expected [height, width] of at least {least}")
    return sample_size[0] * patch, sample_size[1] * patch
