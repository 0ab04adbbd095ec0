"""The image's conditional law given noisy planes of its circular blur: one exact Gaussian draw, in the Fourier basis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dpnp.consistency.fourier import BoxAverage, mixed, spectrum
from dpnp.rng import SampleStreams
from operators.maps import Constant, Planes


@dataclass(frozen=True)
class BlurredImage:
    """Draws x ~ exp(-|P (k * x) - p|²/(2 std²) - |x - x_k|²/(2 eta²)), P the map to ``planes`` of images (height, width).

    Perturb and solve: x' ~ N(x_k, eta² I) and P (k * x') + std e miss p by d; x = x' + eta² A* (eta² A A* + std² I)^-1 d with A = P k *.
    In the Fourier basis A A* has a block for each frequency of the averaged planes: these planes with the aliases of the full ones, which
    are independent of each other along the singular vectors of their colours. So the full planes are eliminated number by number, and
    what is left is as small as there are averaged planes (Cb and Cr). It is a sum of positive terms, so that nothing cancels where eta
    is far above std. Double precision throughout.
    """

    planes: Planes
    height: int
    width: int

    def draw(self, p: list[Tensor], x_k: Tensor, eta: float, std: float, transfer: Tensor, streams: SampleStreams) -> Tensor:
        """x (B, C, H, W) given planes ``p`` and transfer functions (B, H, W)."""
        x = spectrum(x_k + eta * streams.normal(tuple(x_k.shape[1:])).double())
        noisy = [spectrum(plane + std * streams.normal(tuple(plane.shape[1:])).double()) for plane in p]
        blurred, gain = transfer[:, None] * x, eta**2 * transfer.abs().square()[:, None]
        colours, strengths = self._colours.like(x.real), self._strengths.like(x.real)[:, None, None]
        full = mixed(self._rotation.like(x.real), torch.stack(noisy[: len(colours)], 1))
        own = gain * strengths.square() + std**2
        weighted = (full - strengths * mixed(colours, blurred)) / own
        if len(self.planes.averaged.value):
            averaged, coupling = self.planes.averaged.like(x.real), self._coupling.like(x.real)
            known = mixed(averaged, blurred) + gain * mixed(coupling, strengths * weighted)
            rest = torch.stack(noisy[len(colours) :], 1) - self._average.fold(known)
            solved = self._average.unfold(_solve(self._schur(gain, own, std), rest))
            weighted = weighted - gain * strengths * mixed(coupling.T, solved) / own
            moved = mixed(colours.T, strengths * weighted) + mixed(averaged.T, solved)
        else:
            moved = mixed(colours.T, strengths * weighted)
        return torch.fft.ifft2(x + eta**2 * transfer.conj()[:, None] * moved, norm="ortho").real

    def _schur(self, gain: Tensor, own: Tensor, std: float) -> Tensor:
        """The covariance (B, h, w, Q, Q) of the averaged planes' misfit given the full ones."""
        averaged, coupling = self.planes.averaged.like(gain), self._coupling.like(gain)
        apart = averaged @ averaged.T - coupling @ coupling.T
        parts = torch.cat([apart[None], coupling.T[:, :, None] * coupling.T[:, None, :]])
        weights = self._average.fold_power(torch.cat([gain, gain * std**2 / own], 1))
        return torch.einsum("bfhw,fqr->bhwqr", weights, parts) + std**2 * torch.eye(len(averaged)).to(gain)

    @cached_property
    def gains(self) -> Constant:
        """The variance (F + Q,) that white images of unit variance have in each plane."""
        full, averaged = (colours.value.square().sum(1) for colours in (self.planes.full, self.planes.averaged))
        return Constant(torch.cat([full, averaged / math.prod(self.planes.box)]))

    @cached_property
    def _average(self) -> BoxAverage:
        return BoxAverage(self.planes.box, self.height, self.width)

    @cached_property
    def _svd(self) -> tuple[Tensor, Tensor, Tensor]:
        return torch.linalg.svd(self.planes.full.value, full_matrices=False)

    @cached_property
    def _rotation(self) -> Constant:
        """U^T, (F, F), of the full planes' colours U diag(strengths) V^T."""
        return Constant(self._svd[0].T)

    @cached_property
    def _strengths(self) -> Constant:
        return Constant(self._svd[1])

    @cached_property
    def _colours(self) -> Constant:
        """V^T, (F, C)."""
        return Constant(self._svd[2])

    @cached_property
    def _coupling(self) -> Constant:
        """How much of the averaged planes' colours lies along those of the full ones, (Q, F)."""
        return Constant(self.planes.averaged.value @ self._svd[2].T)


def _solve(matrices: Tensor, right: Tensor) -> Tensor:
    """Real positive definite ``matrices`` (B, h, w, Q, Q) solved for complex ``right`` (B, Q, h, w)."""
    columns = torch.view_as_real(right.movedim(1, -1).contiguous())
    solved = torch.cholesky_solve(columns, torch.linalg.cholesky(matrices))
    return torch.view_as_complex(solved.contiguous()).movedim(-1, 1)
