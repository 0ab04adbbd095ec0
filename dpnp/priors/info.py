"""What a catalogue says of a prior without loading its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dpnp.priors.base import ImageShape


@dataclass(frozen=True)
class PriorInfo:
    """A prior's name, (C, H, W), and where it is from; ``folder`` is what ``load_prior`` takes, a folder or a file."""

    name: str
    image_shape: ImageShape
    licence: str
    source: str
    summary: str
    folder: Path
