"""Blur with any kernel: circular through the FFT, or with reflected or zero edges."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn.functional import conv2d, pad

from operators.errors import ShapeError
from operators.maps.base import Constant, LinearMap, ThinSVD
from operators.parts import PART_CONFIG, MapPart
from operators.shapes import ImageShape, matrix_of

Boundary = Literal["circular", "reflect", "zero"]
PAD_MODES = {"circular": "circular", "reflect": "reflect", "zero": "constant"}


def transfer_function(kernel: Tensor, height: int, width: int) -> Tensor:
    """The FFT of kernels (..., rows, columns), odd sides, centred, as circular convolutions on (height, width).

    A kernel that is larger than the image goes on at the opposite edge.
    """
    rows, columns = kernel.shape[-2:]
    padded = pad(kernel, (0, -columns % width, 0, -rows % height))
    wrapped = padded.unflatten(-1, (-1, width)).sum(-2).unflatten(-2, (-1, height)).sum(-3)
    return torch.fft.fft2(wrapped.roll((-(rows // 2), -(columns // 2)), dims=(-2, -1)))


def transfer_adjoint(g: Tensor, rows: int, columns: int) -> Tensor:
    """A^T g for ``g`` (..., H, W), A being :func:`transfer_function` on real kernels (..., rows, columns): Re Σ g* (A k) = Σ k (A^T g)."""
    height, width = g.shape[-2:]
    down, across = ((torch.arange(n, device=g.device) - n // 2) % side for n, side in ((rows, height), (columns, width)))
    return torch.fft.ifft2(g, norm="forward").real[..., down[:, None], across]


class BlurMap(LinearMap):
    """a(x) = kernel * x in every channel, the convolution with ``kernel`` (rows, columns).

    Its sides are odd and no longer than the image's, or one longer than an even one: its ends then meet round the edge.

    Raises :class:`ShapeError` for another kernel.
    """

    pictures = True

    def __init__(self, kernel: Tensor, image_shape: ImageShape, boundary: Boundary = "circular") -> None:
        rows, columns = kernel.shape
        most_rows, most_columns = (side // 2 * 2 + 1 for side in image_shape[1:])
        if rows % 2 == 0 or columns % 2 == 0 or rows > most_rows or columns > most_columns:
            raise ShapeError(f"expected a kernel with odd sides, at most {most_rows} x {most_columns}, got {rows} x {columns}")
        self.image_shape = self.output_shape = image_shape
        self.boundary = boundary
        self._kernel = Constant(kernel)

    @property
    def kernel(self) -> Tensor:
        """The kernel, float64 (rows, columns)."""
        return self._kernel.value

    def __call__(self, x: Tensor) -> Tensor:
        if self.boundary == "circular":
            spectrum = self._svd.transfer
            return torch.fft.ifft2(spectrum.like(x) * torch.fft.fft2(x)).real
        up, left = (side // 2 for side in self._kernel.value.shape)
        flat = pad(x.flatten(0, 1)[:, None], (left, left, up, up), mode=PAD_MODES[self.boundary])
        return conv2d(flat, self._kernel.like(x).flip(-1, -2)[None, None]).reshape(x.shape)

    def adjoint(self, y: Tensor) -> Tensor:
        if self.boundary == "circular":
            return torch.fft.ifft2(self._svd.transfer.like(y).conj() * torch.fft.fft2(y)).real
        return torch.autograd.functional.vjp(self, torch.zeros_like(y), y)[1]

    def svd(self) -> ThinSVD | None:
        return self._svd if self.boundary == "circular" else None

    @cached_property
    def _svd(self) -> FourierSVD:
        return FourierSVD(transfer_function(self._kernel.value, *self.image_shape[1:]).expand(self.image_shape))


class FourierSVD(ThinSVD):
    """A circular convolution in the orthonormal Fourier basis: V = F*, U = F* times the phases of the transfer function.

    Coefficients are complex, (B, C, H, W), with the symmetry of a real image's spectrum.
    """

    def __init__(self, transfer: Tensor) -> None:
        self.transfer = Constant(transfer)
        self.singular_values = Constant(transfer.abs())
        self._phase = Constant(torch.sgn(transfer) + (transfer == 0))

    def project(self, x: Tensor) -> Tensor:
        return torch.fft.fft2(x, norm="ortho")

    def lift(self, c: Tensor) -> Tensor:
        return torch.fft.ifft2(c, norm="ortho").real

    def project_measurement(self, y: Tensor) -> Tensor:
        return self._phase.like(y).conj() * torch.fft.fft2(y, norm="ortho")


def gaussian_kernel(std: float, max_side: int) -> Tensor:
    """A Gaussian kernel cut at three standard deviations, or at the image, sum 1, float64."""
    reach = min(max(1, round(3 * std)), (max_side - 1) // 2)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / std).square())
    weights = weights / weights.sum()
    return torch.outer(weights, weights)


@dataclass(frozen=True, config=PART_CONFIG)
class Blur(MapPart):
    """Blur with a Gaussian of ``std`` pixels, or with a ``kernel`` of one's own (rows of numbers, odd sides), as it is."""

    kind: Literal["blur"] = "blur"
    std: Annotated[float, Field(gt=0, le=100, description="standard deviation of the Gaussian kernel, in pixels")] = 1.5
    kernel: Annotated[list[list[float]] | None, Field(description="a kernel instead of the Gaussian")] = None
    boundary: Annotated[Boundary, Field(description="how the image goes on beyond its edges")] = "circular"

    def build(self, image_shape: ImageShape) -> BlurMap:
        kernel = gaussian_kernel(self.std, min(image_shape[1:])) if self.kernel is None else matrix_of(self.kernel, "a kernel")
        return BlurMap(kernel, image_shape, self.boundary)


class BlurEach(LinearMap):
    """Circular blur with one of ``kernels`` (B, rows, columns) for each of the B images of a batch."""

    def __init__(self, kernels: Tensor, image_shape: ImageShape) -> None:
        self.image_shape = self.output_shape = image_shape
        self.transfer = transfer_function(kernels, *image_shape[1:])[:, None]

    def __call__(self, x: Tensor) -> Tensor:
        return torch.fft.ifft2(self.transfer * torch.fft.fft2(x)).real

    def adjoint(self, y: Tensor) -> Tensor:
        return torch.fft.ifft2(self.transfer.conj() * torch.fft.fft2(y)).real
