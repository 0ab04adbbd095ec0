"""Maps: the noiseless physics a(x), and what structure a map can declare."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from operators.shapes import ImageShape, Shape


class Constant:
    """A double-precision tensor of a map, real or complex, with one copy kept per device and precision that it is used in."""

    def __init__(self, value: Tensor) -> None:
        self.value = value.detach().to("cpu", torch.complex128 if value.is_complex() else torch.float64)
        self._copies: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def like(self, x: Tensor) -> Tensor:
        """The constant on ``x``'s device in ``x``'s precision."""
        key = (x.device, x.dtype)
        if key not in self._copies:
            dtype = x.dtype.to_complex() if self.value.is_complex() else x.dtype
            self._copies[key] = self.value.to(x.device, dtype)
        return self._copies[key]


class Map(ABC):
    """A differentiable map from images (B, *image_shape) to clean measurements (B, *output_shape)."""

    image_shape: ImageShape
    output_shape: Shape
    pictures: bool = False
    """Whether a(x) is a picture (C, H, W) in the scale of x."""

    @property
    def even(self) -> bool:
        """Whether a(-x) = a(x)."""
        return False

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """a(x), (B, *output_shape)."""

    def linearized(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """a(x) and v -> J(x)^T v for ``v`` (B, *output_shape), J the Jacobian: the adjoint where the map is linear, else by autograd."""
        linear = self.linear_part()
        if linear is not None:
            return self(x), linear.adjoint
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(True)
            clean = self(leaf)
        return clean.detach(), lambda v: torch.autograd.grad(clean, leaf, v, retain_graph=True)[0]

    def gram_diagonal(self) -> Tensor | None:
        """A guess of the diagonal of J^T J, J the Jacobian, (C, H, W), 0 where a pixel is not seen. None when nothing is known.

        It preconditions HMC and MALA, and its smallest entry that is not zero says how much of eta passes for noise.
        """
        return None

    @property
    def stored(self) -> dict[str, Tensor]:
        """Arrays by name that a measurement's file keeps beside it, because the map was drawn at random, such as a mask."""
        return {}

    def linear_part(self) -> LinearMap | None:
        """L where a(x) = L x + a(0): the map itself when it is linear. None for any other map."""
        return None


class ThinSVD(ABC):
    """A = U diag(s) V^T with orthonormal columns in U and V; coefficients have shape (B, *rank_shape)."""

    singular_values: Constant

    @abstractmethod
    def project(self, x: Tensor) -> Tensor:
        """V^T x."""

    @abstractmethod
    def lift(self, c: Tensor) -> Tensor:
        """V c, (B, *image_shape)."""

    @abstractmethod
    def project_measurement(self, y: Tensor) -> Tensor:
        """U^T y."""


class Planes(ABC):
    """a(x) = U P x with orthonormal U. P x are planes, each a mixture of the image's channels: those of ``full`` (F, C) at every pixel,
    then those of ``averaged`` (Q, C) over boxes of ``box`` (down, across) pixels.

    Such a map after a circular blur is block-diagonal in the Fourier basis: frequencies that the boxes' grid cannot tell apart, in all
    channels, make a block.
    """

    full: Constant
    averaged: Constant
    box: tuple[int, int]

    @abstractmethod
    def project(self, y: Tensor) -> list[Tensor]:
        """U^T y, F times (B, H, W) and Q times (B, H / down, W / across)."""

    @abstractmethod
    def spread(self, values: Tensor) -> Tensor:
        """A number for each plane, (B, F + Q), as one for each entry of the measurement: broadcasts against a(x)."""

    @abstractmethod
    def variances(self, power: Sequence[Tensor]) -> Tensor:
        """The variance of each entry of U p for independent stationary planes p, from their power spectra (F times (B, H, W) and Q times
        (B, H / down, W / across), orthonormal FFT): broadcasts against a(x).
        """


class LinearMap(Map):
    """A linear map with its exact adjoint, and its thin SVD where that is cheap."""

    row_gram: float | None = None
    """c where A A^T = c I, but for rows that are zero, so that white noise in the image is white in the measurement; else None."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y for ``y`` (B, *output_shape)."""

    def linear_part(self) -> LinearMap:
        return self

    def svd(self) -> ThinSVD | None:
        """The thin SVD, or None where it is not cheap; then exact draws solve by conjugate gradients."""
        return None

    def planes(self) -> Planes | None:
        """What the map sees up to a rotation, where that is planes of the image; else None."""
        return None

    def largest_singular_value(self) -> float | None:
        """From the thin SVD, or an estimate of the map's own; None when nothing is known."""
        svd = self.svd()
        return None if svd is None else svd.singular_values.value.max().item()
