"""Network priors in the EDM parametrisation (Karras et al. 2022, table 1, column "Ours")."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn

from dpnp.priors.base import ImageShape, check_denoiser_input

NOISE_EMBEDDING_SCALE = 250.0  # 1000 * ln(sigma) / 4: the range that the U-Net's sinusoidal embedding is made for


class EDMDenoiser(nn.Module):
    """D(x, s) = c_skip x + c_out F(c_in x, c_noise) around a ``diffusers.UNet2DModel`` F.

    With ``s`` the noise level and ``d`` the data's standard deviation, in [-1, 1] scale:
    ``c_skip = d²/(s² + d²)``, ``c_out = s d / sqrt(s² + d²)``, ``c_in = 1/sqrt(s² + d²)``, ``c_noise = 250 ln s``.
    """

    def __init__(self, network: UNet2DModel, sigma_data: float) -> None:
        super().__init__()
        self.network = network
        self.sigma_data = sigma_data

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        s = sigma.reshape(-1, 1, 1, 1)
        total = (s.square() + self.sigma_data**2).sqrt()
        raw = self.network(x / total, NOISE_EMBEDDING_SCALE * sigma.log(), return_dict=False)[0]
        return (self.sigma_data / total).square() * x + s * self.sigma_data / total * raw.to(x.dtype)


class EDMPrior:
    """A trained :class:`EDMDenoiser` as a prior.

    Trajectories stay in float32; ``autocast`` (bfloat16 or float16) is the precision inside the network.
    Noise levels outside the trained range ``sigma_range`` are answered by the network's extrapolation above
    and are exact in the limit below, where ``c_skip -> 1``.
    """

    dtype = torch.float32

    def __init__(
        self,
        denoiser: EDMDenoiser,
        image_shape: ImageShape,
        *,
        sigma_range: tuple[float, float],
        name: str = "",
        card: dict[str, Any] | None = None,
        autocast: torch.dtype | None = None,
    ) -> None:
        self._denoiser = denoiser.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self._image_shape = image_shape
        self.sigma_range = sigma_range
        self.name = name
        self.card = card or {}
        self.autocast = autocast

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of one image."""
        return self._image_shape

    @property
    def device(self) -> torch.device:
        """The device that holds the weights."""
        return next(self._denoiser.parameters()).device

    def to(self, device: torch.device | str) -> EDMPrior:
        """Move the weights to ``device`` in place; returns the prior."""
        self._denoiser.to(device)
        return self

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x]; see :class:`dpnp.priors.base.Prior`. Differentiable in ``x``.

        Raises ``ValueError`` when the shapes are not (B, C, H, W) and (B,).
        """
        check_denoiser_input(x, sigma, self._image_shape)
        enabled = self.autocast is not None
        with torch.autocast(x.device.type, dtype=self.autocast or torch.bfloat16, enabled=enabled):
            return self._denoiser(x.to(memory_format=torch.channels_last), sigma).contiguous()
