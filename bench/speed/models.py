"""The networks that are timed: their weights do not change the time, so that random ones stand for the published."""

from __future__ import annotations

import torch
from torch import nn

import dpnp
from dpnp.priors import DiffusionPrior, NetworkPrior
from dpnp.priors.adm import Architecture, build
from dpnp.priors.parametrisations import VariancePreserving

HALVINGS = (1, 1, 2, 2, 4, 4)


def architecture(width: int, blocks: int, attention: tuple[bool, ...], multipliers: tuple[int, ...] = HALVINGS) -> Architecture:
    """An ADM U-Net for colour images, with learned variance."""
    return Architecture(3, 6, width, tuple(width * m for m in multipliers), attention, blocks)


FFHQ_256 = architecture(128, 1, (False, False, False, False, True, False))
IMAGENET_256 = architecture(256, 2, (False, False, False, True, True, True))
TINY = architecture(32, 1, (False, True), (1, 2))


def random_prior(found: Architecture, side: int, device: torch.device) -> DiffusionPrior:
    """The architecture with random weights of a size that keeps activations finite."""
    network = build(found).to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.02, generator=generator)
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    return DiffusionPrior(network, VariancePreserving(betas), (3, side, side))


RANDOM: dict[str, tuple[Architecture, int]] = {"ffhq-256": (FFHQ_256, 256), "imagenet-256": (IMAGENET_256, 256), "tiny": (TINY, 16)}
"""Architectures by name, with the side of their images."""


def model(name: str, device: torch.device) -> NetworkPrior:
    """One of ``RANDOM`` with random weights, or what :func:`dpnp.load_prior` makes of the name, in float32.

    Raises ``ValueError`` for a prior without a network, and what ``load_prior`` raises.
    """
    if name in RANDOM:
        return random_prior(*RANDOM[name], device)
    prior = dpnp.load_prior(name, device, "float32")
    if not isinstance(prior, NetworkPrior):
        raise ValueError(f"expected a prior with a network, got {name!r}")
    return prior
