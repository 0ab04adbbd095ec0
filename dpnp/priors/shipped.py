"""The priors that come with the package, and ``load_prior``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from dpnp.errors import PriorError
from dpnp.priors.base import ImageShape
from dpnp.priors.edm import EDMPrior
from dpnp.priors.folder import CARD, load_prior_folder, read_card

SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class PriorInfo:
    """What a catalogue says of a prior without loading its weights."""

    name: str
    image_shape: ImageShape
    licence: str
    source: str
    summary: str
    folder: Path


def list_priors(folder: Path | None = None) -> list[PriorInfo]:
    """The priors in ``folder`` (default: the shipped ones), one sub-folder each, by name."""
    found = sorted(path.parent for path in (folder or SHIPPED).glob(f"*/{CARD}"))
    return [prior_info(path) for path in found]


def prior_info(folder: Path) -> PriorInfo:
    """What the card of the prior in ``folder`` says. Raises :class:`dpnp.PriorError` when there is none."""
    card = read_card(folder)
    try:
        c, h, w = map(int, card["image_shape"])
        source = str(card.get("training", {}).get("data", "unknown"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PriorError(f"the card in {folder} is not one of a prior: {error!r}") from error
    licence, summary = str(card.get("licence", "unknown")), str(card.get("summary", ""))
    return PriorInfo(name=folder.name, image_shape=(c, h, w), licence=licence, source=source, summary=summary, folder=folder)


def load_prior(name: str | Path, device: torch.device | str | None = None) -> EDMPrior:
    """Load a prior by shipped name or from a local folder, onto ``device`` (default: a GPU when there is one).

    Raises :class:`dpnp.PriorError`, which lists the known names, when there is none of that name or it cannot be read.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    folder = SHIPPED / str(name)
    if not (folder / CARD).is_file():
        folder = Path(name)
    if not folder.is_dir():
        known = ", ".join(info.name for info in list_priors()) or "none"
        raise PriorError(f"unknown prior {str(name)!r}: neither a shipped prior ({known}) nor a local folder")
    return load_prior_folder(folder, name=folder.name, device=device)
