"""Network priors in the EDM parametrisation (Karras et al. 2022), around a linear denoiser."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from dpnp.priors.linear import LinearDenoiser
from dpnp.priors.network import NetworkPrior

NOISE_EMBEDDING_SCALE = 2.5  # of ln(sigma): smooth over the trained range in the U-Net's sinusoidal embedding, whose fastest wave is sin(t)


class EDMDenoiser(nn.Module):
    """D(x, s) = W(x, s) + c_out F(c_in x, c_noise) around a ``diffusers.UNet2DModel`` F.

    ``W`` is the best linear denoiser of the data's Gaussian model and ``c_out`` its root mean square error, so that F learns what no
    linear map can know, at unit variance for every noise level: EDM's argument for its skip connection (Karras et al. 2022, appendix
    B.6) without the assumption that the data are white. For an isotropic model it is EDM's own preconditioning,
    ``c_skip = d²/(s² + d²)``, ``c_out = s d / sqrt(s² + d²)``, with d the data's standard deviation in [-1, 1] scale. Always
    ``c_in = 1/sqrt(s² + d²)`` and ``c_noise = 2.5 ln s``. A model with components is shown W to the network as further channels.
    ``patch`` x ``patch`` pixels are channels of one pixel to the network, which sees images padded to the sides ``padded`` (H, W)
    (default: the image's own) with the data's mean.
    """

    def __init__(self, network: nn.Module, linear: LinearDenoiser, patch: int = 1, padded: tuple[int, int] | None = None) -> None:
        super().__init__()
        _, height, width = linear.mean.shape
        more_rows, more_columns = (big - small for big, small in zip(padded or (height, width), (height, width), strict=True))
        self._margins = (more_columns // 2, -(-more_columns // 2), more_rows // 2, -(-more_rows // 2))
        self.patch = patch
        self.network = network
        self.linear = linear

    @property
    def unit(self) -> int | None:
        """Sides must be multiples of this; None with a linear denoiser that knows places in the image."""
        flat = self.linear.rank == 0 and not self.linear.mean.any()
        depth = len(self.network.config["block_out_channels"])  # type: ignore[index]  # a diffusers model's own arguments
        return self.patch * 2 ** (depth - 1) if flat else None

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        with without_autocast(x.device.type):
            estimate = self.linear(x, sigma)
            c_in = (sigma.square() + self.linear.variance).rsqrt().reshape(-1, 1, 1, 1)
            c_out = self.linear.error(sigma).reshape(-1, 1, 1, 1)
            seen = c_in * (x - self.linear.mean)
            if self.linear.rank:
                seen = torch.cat([seen, estimate / self.linear.variance.sqrt()], dim=1)
        seen = pixel_unshuffle(pad(seen, self._margins), self.patch).to(next(self.network.parameters()).dtype)
        raw = self.network(seen, NOISE_EMBEDDING_SCALE * sigma.log(), return_dict=False)[0]
        return estimate + c_out * pad(pixel_shuffle(raw.to(x.dtype), self.patch), [-m for m in self._margins])


def without_autocast(device_type: str) -> AbstractContextManager[object]:
    """No reduced precision in here; a device without autocast, such as that of shapes alone (meta), has none to leave."""
    return torch.autocast(device_type, enabled=False) if torch.amp.is_autocast_available(device_type) else nullcontext()


class EDMPrior(NetworkPrior):
    """A trained :class:`EDMDenoiser` as a prior."""

    network: EDMDenoiser
    spectrum: Tensor | None = None
    """Of the training images, (rings, C, C) as :func:`dpnp.priors.spectrum.radial_spectrum` has it; None when nobody measured it."""

    @property
    def body(self) -> nn.Module:
        """All but the linear denoiser."""
        return self.network.network

    def answer(self, x: Tensor, sigma: Tensor) -> Tensor:
        """See :class:`dpnp.priors.network.NetworkPrior`."""
        return self.call(x, sigma)

    def sized(self, height: int, width: int) -> EDMPrior:
        """See :class:`dpnp.priors.network.NetworkPrior`."""
        other, denoiser = super().sized(height, width), self.network
        if other.image_shape != self.image_shape:
            other.spectrum = None  # its rings are those of other sides
        blank = LinearDenoiser.isotropic(other.image_shape, 1.0).to(self.device)
        blank.residual.copy_(denoiser.linear.residual)
        other.network = EDMDenoiser(denoiser.network, blank, denoiser.patch).eval()
        return other
