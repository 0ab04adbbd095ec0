"""A prior with random weights: the service's cost does not depend on what the pictures show."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DModel

from dpnp.priors import EDMDenoiser, EDMPrior, LinearDenoiser
from dpnp.priors.folder import save_prior
from dpnp.training.config import NetworkConfig

NAME = "random-16"
SHAPE = (1, 16, 16)


def write_prior(folder: Path) -> None:
    """Write the prior, for 16 x 16 grey images, into ``folder``."""
    torch.manual_seed(0)
    config = NetworkConfig(channels=(16, 16), norm_groups=4, attention_head_dim=8)
    denoiser = EDMDenoiser(UNet2DModel(**config.unet_arguments(SHAPE)), LinearDenoiser.isotropic(SHAPE, 0.5), config.patch)
    save_prior(EDMPrior(denoiser, SHAPE, sigma_range=(0.01, 50.0)), folder, training={"data": "none: random weights"})
