"""A network prior small enough to sample in milliseconds, with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DModel

from dpnp.priors import EDMDenoiser, EDMPrior, LinearDenoiser
from dpnp.priors.folder import save_prior
from dpnp.training.config import NetworkConfig

SIZE = 8


def write_tiny_prior(folder: Path, channels: int = 1, size: int = SIZE) -> Path:
    """A prior for ``size`` x ``size`` images in ``folder``."""
    torch.manual_seed(0)
    shape = (channels, size, size)
    config = NetworkConfig(channels=(8, 8), norm_groups=4, attention_head_dim=8)
    denoiser = EDMDenoiser(UNet2DModel(**config.unet_arguments(shape)), LinearDenoiser.isotropic(shape, 0.5), config.patch)
    save_prior(EDMPrior(denoiser, shape, sigma_range=(0.01, 50.0)), folder, training={"data": "none: random weights"})
    return folder
