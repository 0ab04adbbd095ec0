"""Gibbs sampling of blurred images, and of their blur kernels, from cells such as JPEG's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dpnp.consistency.base import Draw, Memory
from dpnp.consistency.blurred_image import BlurredImage
from dpnp.consistency.blurred_kernel import BlurredKernel
from dpnp.priors.kernel_scale import image_to_kernel
from dpnp.rng import SampleStreams
from operators.maps import LinearMap, Planes
from operators.maps.blur import transfer_function
from operators.noise import CellNoise
from operators.truncated import truncated_normal

SWEEPS = 12
LEAST_STD = 1e-4  # stands for no noise, where the conditionals would not move
KERNEL_EVERY = 6  # sweeps between draws of the kernel, which cost the most


@dataclass(frozen=True)
class BlurredCells:
    """y = the cells of U (P (k * x) + std e), U orthonormal, P the map to ``planes`` (grey; Y and the averaged Cb, Cr), * circular.

    Gibbs draws of x, and of k where it is unknown. With the planes before rounding p = P (k * x) + std e as a further unknown every
    conditional is exact: U p given x and k is a truncated normal per coefficient, x given p and k is Gaussian in small blocks of the
    Fourier basis, k given p and x is Gaussian. The chain starts from a draw in which the coefficients' correlations are left out, which
    is exact for a grey image and a kernel of one pixel, and makes 12 sweeps. It leaves
    exp(L(x, k; y) - |x - x_k|²/(2 eta²) - |kappa - kappa_k|²/(2 eta²)) invariant, kappa the kernel as an image; it mixes like
    (cell width / std)², so that wide cells with little noise are explored slowly. Double precision: in single, some coefficients of
    strong images lie in the next cell.
    """

    transform: LinearMap
    planes: Planes
    noise: CellNoise
    y: Tensor
    kernel: Tensor | None = None
    kernel_size: int = 1

    def init(self, n: int) -> Memory:
        """Nothing, with a known kernel."""
        return {}

    def draw(self, x_k: Tensor, eta: float, memory: Memory, streams: SampleStreams) -> Draw:
        """The chains' state after the sweeps, for the known kernel."""
        assert self.kernel is not None
        near = x_k.double()
        transfer = self.transfer(self.kernel.to(near)).expand(len(near), -1, -1)
        p = self.signal(near, transfer, self._spread(eta, transfer), streams)
        x = self._image.draw(p, near, eta, self._std, transfer, streams)
        for _ in range(SWEEPS):
            p = self.signal(x, transfer, self._spread(0.0, transfer), streams)
            x = self._image.draw(p, near, eta, self._std, transfer, streams)
        return Draw(x.to(x_k.dtype), memory, {})

    def draw_both(self, x_k: Tensor, kappa_k: Tensor, eta: float, eta_kernel: float, streams: SampleStreams) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) and kernels as images (B, s, s) after the sweeps."""
        x, near, near_kappa = x_k.double(), x_k.double(), kappa_k.double()
        transfer = self.transfer(image_to_kernel(near_kappa))
        spread = self._spread(eta, transfer)
        p = self.signal(x, transfer, spread, streams)
        kappa = self._kernel.draw(p, x, near_kappa, eta_kernel, spread, streams)
        for sweep in range(SWEEPS):
            transfer = self.transfer(image_to_kernel(kappa))
            x = self._image.draw(p, near, eta, self._std, transfer, streams)
            p = self.signal(x, transfer, self._spread(0.0, transfer), streams)
            if sweep % KERNEL_EVERY == KERNEL_EVERY - 1:
                kappa = self._kernel.draw(p, x, near_kappa, eta_kernel, self._spread(0.0, transfer), streams)
        return x.to(x_k.dtype), kappa.to(kappa_k.dtype)

    def transfer(self, kernel: Tensor) -> Tensor:
        """Transfer functions (..., H, W) of kernels (..., s, s)."""
        return transfer_function(kernel, *self.transform.image_shape[1:])

    def signal(self, x: Tensor, transfer: Tensor, std: Tensor, streams: SampleStreams) -> list[Tensor]:
        """The planes before rounding given x and the kernel, with noise of ``std`` (B, P)."""
        clean = self.transform(torch.fft.ifft2(transfer[:, None] * torch.fft.fft2(x)).real)
        low, high = self.noise.cells(self.y[None].to(clean))
        drawn = truncated_normal(clean, self.planes.spread(std), low, high, streams.uniform(tuple(clean.shape[1:])))
        return self.planes.project(drawn)

    @property
    def _std(self) -> float:
        return max(self.noise.tau, LEAST_STD)

    def _spread(self, eta: float, transfer: Tensor) -> Tensor:
        """The noise's standard deviation in each plane (B, P), together with that of images known to ``eta``, correlations left out."""
        own = eta**2 * self._image.gains.like(transfer.real) * transfer.abs().square().flatten(1).mean(1, keepdim=True)
        return (own + self._std**2).sqrt()

    @cached_property
    def _image(self) -> BlurredImage:
        return BlurredImage(self.planes, *self.transform.image_shape[1:])

    @cached_property
    def _kernel(self) -> BlurredKernel:
        return BlurredKernel(self.planes, *self.transform.image_shape[1:], self.kernel_size)
