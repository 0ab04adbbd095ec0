"""Gibbs sampling of blurred images, and of their blur kernels, from cells such as JPEG's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from dpnp.consistency.base import Draw, Memory
from dpnp.priors.kernel_scale import KERNEL_SCALE, image_sum, image_to_kernel
from dpnp.rng import SampleStreams
from operators.maps import LinearMap
from operators.maps.blur import transfer_function
from operators.noise import CellNoise
from operators.truncated import truncated_normal

SWEEPS = 12
LEAST_STD = 1e-4  # stands for no noise, where the conditionals would not move
KERNEL_EVERY = 6  # sweeps between draws of the kernel, which cost the most


@dataclass(frozen=True)
class BlurredCells:
    """y = the cells of T(k * x + std e), T orthonormal, * circular: Gibbs draws of x, and of k where it is unknown.

    With the signal before rounding u = k * x + std e as a further unknown every conditional is exact: T u given x and k is a truncated
    normal per coefficient, x given u and k is Gaussian and diagonal in the Fourier basis, k given u and x is Gaussian. The chain starts
    from a draw in which the coefficients' correlations are left out, which is exact for a kernel of one pixel, and makes 12 sweeps. It
    leaves exp(L(x, k; y) - |x - x_k|²/(2 eta²) - |kappa - kappa_k|²/(2 eta²)) invariant, kappa the kernel as an image; it mixes like
    (cell width / std)², so that wide cells with little noise are explored slowly.
    """

    transform: LinearMap
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
        kernel = self.kernel.to(x_k).expand(len(x_k), -1, -1)
        transfer = self.transfer(kernel, x_k)
        u = self.signal(x_k, transfer, self._spread(eta, transfer), streams)
        x = self.image(u, x_k, eta, transfer, streams)
        for _ in range(SWEEPS):
            x = self.image(self.signal(x, transfer, self._spread(0.0, transfer), streams), x_k, eta, transfer, streams)
        return Draw(x, memory, {})

    def draw_both(self, x_k: Tensor, kappa_k: Tensor, eta: float, eta_kernel: float, streams: SampleStreams) -> tuple[Tensor, Tensor]:
        """Images (B, 1, H, W) and kernels as images (B, s, s) after the sweeps."""
        transfer = self.transfer(image_to_kernel(kappa_k), x_k)
        spread = self._spread(eta, transfer)
        u = self.signal(x_k, transfer, spread, streams)
        kappa = self.kernel_image(u, x_k, kappa_k, eta_kernel, spread, streams)
        x = x_k
        for sweep in range(SWEEPS):
            transfer = self.transfer(image_to_kernel(kappa), x_k)
            x = self.image(u, x_k, eta, transfer, streams)
            u = self.signal(x, transfer, self._spread(0.0, transfer), streams)
            if sweep % KERNEL_EVERY == KERNEL_EVERY - 1:
                kappa = self.kernel_image(u, x, kappa_k, eta_kernel, self._spread(0.0, transfer), streams)
        return x, kappa

    def transfer(self, kernel: Tensor, like: Tensor) -> Tensor:
        """Transfer functions (B, 1, H, W) of kernels (B, s, s)."""
        return transfer_function(kernel, *like.shape[-2:])[:, None]

    def signal(self, x: Tensor, transfer: Tensor, std: Tensor, streams: SampleStreams) -> Tensor:
        """u given x and the kernel, (B, 1, H, W), with noise of ``std`` (B,)."""
        clean = self.transform(torch.fft.ifft2(transfer * torch.fft.fft2(x)).real)
        low, high = self.noise.cells(self.y[None])
        wide = std.reshape(-1, *[1] * (clean.ndim - 1))
        return self.transform.adjoint(truncated_normal(clean, wide, low, high, streams.uniform(tuple(clean.shape[1:]))))

    def image(self, u: Tensor, x_k: Tensor, eta: float, transfer: Tensor, streams: SampleStreams) -> Tensor:
        """x given u and the kernel: precision 1/eta² + |K|²/std² per frequency."""
        weight = 1 / max(self.noise.tau, LEAST_STD) ** 2
        precision = 1 / eta**2 + weight * transfer.abs().square()
        spectra = (torch.fft.fft2(v, norm="ortho") for v in (x_k, u, streams.normal(tuple(x_k.shape[1:]))))
        near, seen, noise = spectra
        mean = (near / eta**2 + weight * transfer.conj() * seen) / precision
        return torch.fft.ifft2(mean + noise / precision.sqrt(), norm="ortho").real

    def kernel_image(self, u: Tensor, x: Tensor, kappa_k: Tensor, eta: float, std: Tensor, streams: SampleStreams) -> Tensor:
        """The kernel as an image given u and x: u = c X (kappa + 1) + noise, X the convolution with x, c half the kernels' scale.

        Drawn given that the kernel's sum is 1: without that, a weak kernel of an image with too much contrast fits as well.
        """
        c, weight = KERNEL_SCALE / 2, std.double()[:, None] ** -2
        offsets, differences = kernel_places(self.kernel_size, x.shape[-2], x.shape[-1])
        spectrum = torch.fft.fft2(x[:, 0].double())
        correlation = torch.fft.ifft2(spectrum.abs().square()).real.flatten(1)
        ones = self.transfer(torch.ones_like(kappa_k), x)[:, 0]
        residual = torch.fft.fft2(u[:, 0].double()) - c * ones * spectrum
        against = torch.fft.ifft2(spectrum.conj() * residual).real.flatten(1)[:, offsets]
        precision = (c**2 * weight * correlation)[:, differences]  # of the kernel's pixels; millions of numbers, so changed in place
        precision.diagonal(dim1=1, dim2=2).add_(1 / eta**2)
        factor = torch.linalg.cholesky(precision)
        near = kappa_k.double().flatten(1) / eta**2 + c * weight * against
        half = torch.linalg.solve_triangular(factor, torch.stack([near, torch.ones_like(near)], dim=2), upper=False)
        half[..., 0] += streams.normal(tuple(kappa_k.shape[1:])).double().flatten(1)
        draw, along = torch.linalg.solve_triangular(factor.mT, half, upper=True).unbind(2)  # a draw; the covariance's product with ones
        draw = draw + along * (image_sum(draw.shape[1]) - draw.sum(1, keepdim=True)) / along.sum(1, keepdim=True)
        return draw.reshape(kappa_k.shape).to(x.dtype)

    def _spread(self, eta: float, transfer: Tensor) -> Tensor:
        """The noise's standard deviation (B,), together with that of images that are only known to ``eta``, correlations left out."""
        own = eta**2 * transfer.abs().square().flatten(1).mean(1)
        return (own + max(self.noise.tau, LEAST_STD) ** 2).sqrt()


@cache
def kernel_places(size: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where a kernel's pixels (size²,), and the differences of any two of them (size², size²), lie in the flattened image."""
    t = torch.arange(size)
    rows, columns = (v.flatten() for v in torch.meshgrid(t, t, indexing="ij"))
    middle = size // 2
    offsets = (rows - middle) % height * width + (columns - middle) % width
    differences = (rows[:, None] - rows) % height * width + (columns[:, None] - columns) % width
    return offsets, differences
