"""Where bfloat16 inside a network pays."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Precision = Literal["auto", "float32", "bfloat16"]

LEAST_CPU_WEIGHTS = 4_000_000
"""Below, layers are too small for matrix tiles: on a CPU with AMX kernels-33 (1.3 M) is slower in bfloat16, faces-64 (7.6 M) faster."""


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` computes in bfloat16 faster than in float32: tensor cores, or AMX on a CPU.

    AVX512_BF16 without AMX is slower than float32 (bench/speed). torch tells of AMX since 2.11; an older one counts as without.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and cpu_capabilities().get("amx_bf16", False)


def cpu_capabilities() -> dict[str, bool]:
    """What torch says of the CPU, by the instruction set's name."""
    ask = getattr(torch.cpu, "get_capabilities", dict)
    return dict(ask())


def network_dtype(precision: Precision, network: nn.Module) -> torch.dtype:
    """The dtype that ``precision`` means for ``network`` on the device where it is."""
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    device = next(network.parameters()).device
    small = device.type == "cpu" and sum(weight.numel() for weight in network.parameters()) < LEAST_CPU_WEIGHTS
    return torch.bfloat16 if has_fast_bfloat16(device) and not small else torch.float32
