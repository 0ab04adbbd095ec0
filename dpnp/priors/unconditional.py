"""What every format demands of a network: that it is unconditional, and of grey or RGB images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dpnp.errors import PriorError

IMAGE_CHANNELS = (1, 3)


def check_unconditional(where: Path, network: Mapping[str, Any]) -> None:
    """Raises :class:`dpnp.PriorError` when the arguments of a ``UNet2DModel`` are those of a class-conditional one."""
    if network.get("num_class_embeds") is not None or network.get("class_embed_type") is not None:
        raise PriorError(f"the network in {where} is class-conditional, expected an unconditional one")


def check_channels(where: Path, channels: Any, out: Any) -> None:
    """Raises :class:`dpnp.PriorError` unless the network maps grey or RGB to as many channels, or to twice as many (a learned variance)."""
    if channels not in IMAGE_CHANNELS or out not in (channels, 2 * channels):
        raise PriorError(f"the network in {where} maps {channels} channels to {out}, expected 1 or 3 to as many, or to twice as many")
