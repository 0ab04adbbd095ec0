"""Planes of a circularly blurred image in the Fourier basis, and averages over boxes there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dpnp.priors.spectrum import rings
from operators.maps import Constant


def spectrum(x: Tensor) -> Tensor:
    """The orthonormal two-dimensional FFT."""
    return torch.fft.fft2(x, norm="ortho")


def mixed(colours: Tensor, x: Tensor) -> Tensor:
    """Mixtures (B, P, H, W) of channels (B, C, H, W), ``colours`` (P, C)."""
    return torch.einsum("pc,bchw->bphw", colours.to(x.dtype), x)


@dataclass(frozen=True)
class BoxAverage:
    """Averages over boxes (down, across) of images (height, width), in orthonormal spectra: aliases are weighted by h and added."""

    box: tuple[int, int]
    height: int
    width: int

    @cached_property
    def response(self) -> Constant:
        """h, (H, W) complex: the sum of |h|² over aliases is 1 / (down across) on average."""
        down, across = self.box
        box = torch.zeros(self.height, self.width, dtype=torch.float64)
        box[:down, :across] = 1 / (down * across)
        return Constant(torch.fft.fft2(box).conj() / math.sqrt(down * across))

    def fold(self, x: Tensor) -> Tensor:
        """The spectra (..., H / down, W / across) of averages, from those of images (..., H, W)."""
        return self._added(self.response.like(x.real) * x)

    def fold_power(self, power: Tensor) -> Tensor:
        """The averages' power spectra, from those of stationary images (..., H, W)."""
        return self._added(self.response.like(power).abs().square() * power)

    def unfold(self, x: Tensor) -> Tensor:
        """The adjoint of :meth:`fold`."""
        return self.response.like(x.real).conj() * x.repeat(*[1] * (x.ndim - 2), *self.box)

    def unfold_power(self, x: Tensor) -> Tensor:
        """The adjoint of :meth:`fold_power`."""
        return self.response.like(x).abs().square() * x.repeat(*[1] * (x.ndim - 2), *self.box)

    def _added(self, x: Tensor) -> Tensor:
        down, across = self.box
        return x.unflatten(-1, (across, -1)).sum(-2).unflatten(-2, (down, -1)).sum(-3)


def radial_power(x: Tensor) -> Tensor:
    """Power spectra of images (..., H, W), averaged over rings of equal frequency: what one draw tells of a stationary, isotropic law."""
    power = spectrum(x).abs().square()
    ring, sizes = rings(*x.shape[-2:], x.device)
    sums = power.new_zeros(*power.shape[:-2], len(sizes)).index_add_(-1, ring, power.flatten(-2))
    return (sums / sizes)[..., ring].reshape(power.shape)
