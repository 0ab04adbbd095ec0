"""What a guided-diffusion (ADM) state dict says of its network: the names and shapes of its tensors are enough."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dpnp.errors import PriorError

Shapes = Mapping[str, tuple[int, ...]]

IMAGE_SIZES: dict[tuple[float, ...], int] = {  # guided-diffusion's own channel multipliers (Dhariwal & Nichol 2021) by image size
    (1, 2, 2, 2): 32,
    (1, 2, 3, 4): 64,
    (1, 1, 2, 3, 4): 128,
    (1, 1, 2, 2, 4, 4): 256,
    (0.5, 1, 1, 2, 2, 4, 4): 512,
}


@dataclass(frozen=True)
class Architecture:
    """An ADM U-Net. ``channels`` and ``attention`` per resolution, fine to coarse; ``blocks`` residual blocks at each."""

    in_channels: int
    out_channels: int
    model_channels: int
    channels: tuple[int, ...]
    attention: tuple[bool, ...]
    blocks: int
    scale_shift: bool = True
    """Whether the time embedding scales and shifts the second norm; else it is added before it."""
    resblock_updown: bool = True
    """Whether residual blocks change the resolution; else strided convolutions do."""

    @property
    def image_size(self) -> int | None:
        """The side of the images that guided-diffusion trains networks with these channels on, if it does."""
        return IMAGE_SIZES.get(tuple(c / self.model_channels for c in self.channels))


def recognise(shapes: Shapes) -> Architecture:
    """The architecture of a state dict. Raises :class:`dpnp.PriorError` when it is none of an unconditional ADM U-Net."""
    if "label_emb.weight" in shapes:
        classes = shapes["label_emb.weight"][0]
        raise PriorError(f"the network is class-conditional ({classes} classes), expected an unconditional one")
    try:
        return _recognise(shapes)
    except (KeyError, IndexError, ZeroDivisionError) as error:
        first = ", ".join(list(shapes)[:3]) or "nothing"
        raise PriorError(f"not the state dict of a guided-diffusion U-Net: {error} is missing; it holds {first} ...") from error


def _recognise(shapes: Shapes) -> Architecture:
    model_channels, first = shapes["time_embed.0.weight"][1], shapes["input_blocks.0.0.weight"]
    per_level = _blocks_per_level(shapes)
    levels = (_count(shapes, "output_blocks") + per_level - 1) // per_level
    starts = [1 + level * per_level for level in range(levels)]  # of each level's first residual block
    widths = [shapes[f"input_blocks.{k}.0.out_layers.3.weight"][0] for k in starts]
    embedding = shapes["input_blocks.1.0.emb_layers.1.weight"][0]
    return Architecture(
        in_channels=first[1],
        out_channels=shapes["out.2.weight"][0],
        model_channels=model_channels,
        channels=tuple(widths),
        attention=tuple(f"input_blocks.{k}.1.qkv.weight" in shapes for k in starts),
        blocks=per_level - 1,
        scale_shift=embedding == 2 * widths[0],
        resblock_updown=not any(key.endswith(".op.weight") for key in shapes),
    )


def _count(shapes: Shapes, name: str) -> int:
    return 1 + max((int(key.split(".")[1]) for key in shapes if key.startswith(name + ".")), default=-1)


def _blocks_per_level(shapes: Shapes) -> int:
    """Output blocks per resolution: the first one with an upsampling layer ends the coarsest resolution."""
    up = re.compile(r"output_blocks\.(\d+)\.[12]\.(?:conv|in_layers\.2)\.weight")
    found = [int(match[1]) for key in shapes if (match := up.fullmatch(key))]
    return 1 + min(found) if found else _count(shapes, "output_blocks")
