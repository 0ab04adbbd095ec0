"""The blur kernel's conditional law given an image and noisy planes of its circular blur: one exact Gaussian draw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from dpnp.consistency.fourier import mixed
from dpnp.priors.kernel_scale import KERNEL_SCALE, image_sum
from dpnp.rng import SampleStreams
from operators.maps import Planes
from operators.maps.blur import transfer_function

HALF = KERNEL_SCALE / 2  # a kernel is HALF (kappa + 1)


@dataclass(frozen=True)
class BlurredKernel:
    """Draws kernels k of ``size`` x ``size``, as images kappa, given planes p = P (k * x) + std_p e of an image x (height, width).

    kappa ~ exp(-Σ_p |p - P_p (k * x)|²/(2 std_p²) - |kappa - kappa_k|²/(2 eta²)), given that the kernel's sum is 1: without that, a weak
    kernel of an image with too much contrast fits as well. Double precision throughout.
    """

    planes: Planes
    height: int
    width: int
    size: int

    def draw(self, p: list[Tensor], x: Tensor, kappa_k: Tensor, eta: float, std: Tensor, streams: SampleStreams) -> Tensor:
        """kappa (B, s, s) given planes ``p`` with noise ``std`` (B, P), images (B, C, H, W) and kernels as images (B, s, s)."""
        precision, against = self._normal_equations(p, x, std.square().reciprocal())
        precision.diagonal(dim1=1, dim2=2).add_(1 / eta**2)  # millions of numbers, so changed in place
        factor = torch.linalg.cholesky(precision)
        near = kappa_k.flatten(1) / eta**2 + against
        half = torch.linalg.solve_triangular(factor, torch.stack([near, torch.ones_like(near)], dim=2), upper=False)
        half[..., 0] += streams.normal(tuple(kappa_k.shape[1:])).double().flatten(1)
        draw, along = torch.linalg.solve_triangular(factor.mT, half, upper=True).unbind(2)  # a draw; the covariance's product with ones
        draw = draw + along * (image_sum(draw.shape[1]) - draw.sum(1, keepdim=True)) / along.sum(1, keepdim=True)
        return draw.reshape(kappa_k.shape)

    def _normal_equations(self, p: list[Tensor], x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The likelihood's precision of kappa (B, s², s²), and its product with the least squares solution (B, s²)."""
        full = len(self.planes.full.value)
        gram, against = self._grid((1, 1), x).equations(torch.stack(p[:full], 1), mixed(self.planes.full.like(x), x), weight[:, :full])
        if full < len(p):
            sharp = mixed(self.planes.averaged.like(x), x)
            more = self._grid(self.planes.box, x).equations(torch.stack(p[full:], 1), sharp, weight[:, full:])
            gram, against = gram.add_(more[0]), against + more[1]
        return gram, against

    def _grid(self, box: tuple[int, int], x: Tensor) -> KernelGrid:
        return kernel_grid(box, self.height, self.width, self.size, x.device)


@lru_cache(maxsize=8)
def kernel_grid(box: tuple[int, int], height: int, width: int, size: int, device: torch.device) -> KernelGrid:
    """The grid of these sizes; its tables of positions, which take a while, are made and brought to the device once."""
    return KernelGrid(box, height, width, size, device)


@dataclass(frozen=True)
class KernelGrid:
    """Normal equations of the kernel from planes that are averages over boxes (down, across): sums over the boxes' grid.

    Such a plane at box n is Σ_t k(t) z(box n - t), z the averages about every pixel. The products of z with itself on the grid depend on
    where t lies within a box and on differences in boxes: they are correlations of z's phases.
    """

    box: tuple[int, int]
    height: int
    width: int
    size: int
    device: torch.device

    def equations(self, p: Tensor, sharp: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """From planes (B, P, h, w), the sharp ones at every pixel (B, P, H, W) and weights 1/std² (B, P): see :class:`BlurredKernel`."""
        down, across = self.box
        rolls = [sharp.roll((-i, -j), (-2, -1)) for i in range(down) for j in range(across)]
        z = torch.stack(rolls).mean(0)
        spectrum = torch.fft.fft2(z)
        ones = torch.ones(self.size, self.size, dtype=z.dtype, device=z.device)
        flat = torch.fft.ifft2(transfer_function(ones, self.height, self.width) * spectrum).real
        residual = torch.zeros_like(z)
        residual[..., ::down, ::across] = weight[..., None, None] * (p - HALF * flat[..., ::down, ::across])
        against = torch.fft.ifft2(spectrum.conj() * torch.fft.fft2(residual)).real.sum(1).flatten(1)
        return self._products(z, HALF**2 * weight), HALF * against[:, self._offsets]

    def _products(self, z: Tensor, weight: Tensor) -> Tensor:
        """Σ over planes and boxes n of weight z(box n - t) z(box n - t'), (B, s², s²)."""
        down, across = self.box
        phases = z.unflatten(-1, (-1, across)).unflatten(-3, (-1, down)).movedim((-3, -1), (2, 3)).flatten(2, 3)
        spectra = torch.fft.fft2(phases)
        power = torch.einsum("bp,bpahw,bpchw->bachw", weight.to(spectra.dtype), spectra, spectra.conj())
        return torch.fft.ifft2(power).real.flatten(1)[:, self._pairs]

    @cached_property
    def _offsets(self) -> Tensor:
        """Where the kernel's pixels lie in the flattened image, (s²,)."""
        rows, columns = self._kernel_pixels()
        return (rows % self.height * self.width + columns % self.width).to(self.device)

    @cached_property
    def _pairs(self) -> Tensor:
        """Where the kernel's pairs of pixels lie in the flattened correlations (phases, phases, h, w), (s², s²)."""
        rows, columns = (-v for v in self._kernel_pixels())
        (down, across), h, w = self.box, self.height // self.box[0], self.width // self.box[1]
        phase = rows % down * across + columns % across
        row, column = rows.div(down, rounding_mode="floor"), columns.div(across, rounding_mode="floor")
        phases = phase[:, None] * (down * across) + phase
        return ((phases * h + (row[:, None] - row) % h) * w + (column[:, None] - column) % w).to(self.device)

    def _kernel_pixels(self) -> tuple[Tensor, Tensor]:
        t = torch.arange(self.size) - self.size // 2
        rows, columns = torch.meshgrid(t, t, indexing="ij")
        return rows.flatten(), columns.flatten()
