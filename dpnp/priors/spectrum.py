"""The spectrum of a law of images: its second moments as far as they depend on the frequency's size alone."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

CHUNK = 2**20  # numbers of images whose transforms are in memory at a time


def radial_spectrum(images: Tensor, mean: Tensor) -> Tensor:
    """Cross spectra of the channels of ``images`` (N, C, H, W) minus ``mean`` (C, H, W), orthonormal FFT, averaged over rings of equal
    frequency: (rings, C, C), real parts, float64.
    """
    n, c, height, width = images.shape
    ring, sizes = rings(height, width, images.device)
    sums = torch.zeros(len(sizes), c, c, dtype=torch.float64, device=images.device)
    for part in images.split(max(1, CHUNK // images[0].numel())):
        z = torch.view_as_real(torch.fft.fft2((part - mean).double(), norm="ortho")).flatten(2, 3)  # (N, C, H W, 2)
        sums.index_add_(0, ring, torch.einsum("ncfk,ndfk->fcd", z, z))
    return sums / (n * sizes.reshape(-1, 1, 1))


def on_frequencies(spectrum: Tensor, height: int, width: int) -> Tensor:
    """The rings' values (rings, C, C) at every frequency: (C, C, H, W)."""
    ring, _ = rings(height, width, spectrum.device)
    return spectrum[ring].movedim(0, -1).unflatten(-1, (height, width))


@lru_cache(maxsize=8)
def rings(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The ring of each frequency (H W,), and the rings' sizes; on the device once, as finding their number would wait for it."""
    down, across = (torch.fft.fftfreq(n, 1 / max(height, width), dtype=torch.float64) for n in (height, width))
    ring = (down[:, None].square() + across.square()).sqrt().round().long().flatten()
    return ring.to(device), ring.bincount().to(device)
