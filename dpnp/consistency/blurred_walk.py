"""The blur kernel's law where the image is known up to an error with a known spectrum: Hamiltonian Monte Carlo on kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpnp.consistency.blurred_kernel import HALF
from dpnp.consistency.fourier import BoxAverage, spectrum
from dpnp.rng import SampleStreams
from operators.maps.blur import transfer_adjoint, transfer_function

LEAPS = 6  # leapfrog steps of a trajectory
TARGET_ACCEPTANCE = 0.7
ADAPTATION = 0.4  # gain of the recursion on log(step)


@dataclass(frozen=True)
class Guess:
    """An image's planes that are averaged over the same boxes, before its blur: ``sharp`` (B, P, H, W), orthonormal spectra, up to a
    stationary error with spectra ``power`` (B, P, H, W).
    """

    average: BoxAverage
    sharp: Tensor
    power: Tensor

    def blurred(self, transfer: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance per frequency, (B, P, h, w), of the blurred and averaged planes for transfer functions (B, H, W)."""
        wide = transfer[:, None]
        return self.average.fold(wide * self.sharp), self.average.fold_power(wide.abs().square() * self.power)

    def draw(self, seen: Tensor, transfer: Tensor, std: float, streams: SampleStreams) -> Tensor:
        """The planes before their blur, orthonormal spectra (B, P, H, W), given noisy spectra ``seen`` (B, P, h, w) of what it leaves.

        Perturb and solve: a draw of guess and noise, then the part of its misfit that the guess's error explains.
        """
        wide = transfer[:, None]
        drawn = self.sharp + self.power.sqrt() * _white(self.sharp, streams)
        missed = seen + std * _white(seen, streams) - self.average.fold(wide * drawn)
        explained = missed / (self.average.fold_power(wide.abs().square() * self.power) + std**2)
        return drawn + self.power * wide.conj() * self.average.unfold(explained)


@dataclass(frozen=True)
class Evidence:
    """What noisy planes of the blurred image tell of the kernel, the image integrated out: ``seen`` (B, P, h, w), orthonormal spectra,
    with noise of ``std``. Frequency by frequency, seen ~ N(mean, variance + std²) by :meth:`Guess.blurred`.
    """

    guess: Guess
    seen: Tensor
    std: float

    def slope(self, transfer: Tensor) -> tuple[Tensor, Tensor]:
        """-log p(seen | kernel) up to a constant, (B,), for transfer functions (B, H, W), and its gradient g (B, H, W): it changes by
        Re Σ g* d(transfer).
        """
        guess, (mean, variance) = self.guess, self.guess.blurred(transfer)
        spread = variance + self.std**2
        missed = (self.seen - mean) / spread
        power = missed.real.square() + missed.imag.square()
        value = 0.5 * (power * spread + spread.log()).flatten(1).sum(1)
        of_variance = guess.power * transfer[:, None] * guess.average.unfold_power(1 / spread - power)
        return value, (of_variance - guess.sharp.conj() * guess.average.unfold(missed)).sum(1)


def information(guess: Guess, transfer: Tensor, std: float) -> Tensor:
    """Fisher information (B, H, W) that planes seen in noise of ``std`` hold of the transfer function (B, H, W)."""
    average = guess.average
    spread = (guess.blurred(transfer)[1] + std**2).repeat(1, 1, *average.box)
    response = average.response.like(spread).abs().square()
    of_mean, of_variance = response * guess.sharp.abs().square(), 2 * (response * guess.power).square() * transfer.abs().square()[:, None]
    return ((of_mean + of_variance / spread) / spread).sum(1)


@dataclass(frozen=True)
class KernelTarget:
    """U(kappa) = -log p(seen | kappa) + |kappa - kappa_k|²/(2 eta²) on kernels as images (B, s, s) with the sum of ``kappa_k``."""

    evidence: Sequence[Evidence]
    kappa_k: Tensor
    eta: float

    def slope(self, kappa: Tensor) -> tuple[Tensor, Tensor]:
        """U (B,), and its gradient along kernels of the same sum (B, s, s)."""
        away, transfer = kappa - self.kappa_k, self.transfer(kappa)
        values, gradients = zip(*(part.slope(transfer) for part in self.evidence), strict=True)
        gradient = away / self.eta**2 + HALF * transfer_adjoint(torch.stack(gradients).sum(0), *kappa.shape[-2:])
        value = 0.5 * away.square().flatten(1).sum(1) / self.eta**2 + torch.stack(values).sum(0)
        return value, gradient - gradient.mean((1, 2), keepdim=True)

    def transfer(self, kappa: Tensor) -> Tensor:
        """Transfer functions (B, H, W)."""
        return transfer_function(HALF * (kappa + 1), *self.evidence[0].guess.sharp.shape[-2:])


def kernel_mass(guesses: Sequence[Guess], kappa: Tensor, eta: float, std: float) -> Tensor:
    """Eigenvalues (B, s, s), in the basis of ``torch.fft.fft2``, of a circulant matrix near the potential's second derivative at ``kappa``.

    The likelihood's part is a Toeplitz matrix of blocks, and this is the circulant one nearest to it (T. Chan, 1988).
    """
    height, width = guesses[0].sharp.shape[-2:]
    size, transfer = kappa.shape[-1], transfer_function(HALF * (kappa + 1), height, width)
    known = torch.stack([information(guess, transfer, std) for guess in guesses]).sum(0)
    products = HALF**2 * height * width * torch.fft.ifft2(known).real
    lag = torch.arange(-size, size, device=products.device)
    share = (1 - lag.abs() / size).to(products)
    products = products[:, lag[:, None] % height, lag % width] * share[:, None] * share
    wrapped = products.unflatten(-1, (2, size)).sum(-2).unflatten(-2, (2, size)).sum(-3)
    return torch.fft.fft2(wrapped).real.clamp_min(0) + 1 / eta**2


def trajectory(target: KernelTarget, kappa: Tensor, mass: Tensor, log_step: Tensor, streams: SampleStreams) -> tuple[Tensor, Tensor]:
    """One step of Hamiltonian Monte Carlo (Neal, 2011) that leaves e^-U invariant, ``log_step`` (B,): kappa, and acceptance (B,)."""
    step = log_step.exp().reshape(-1, 1, 1)
    momentum = filtered(streams.normal(tuple(kappa.shape[1:])).to(kappa), mass.sqrt())
    momentum = momentum - momentum.mean((1, 2), keepdim=True)
    value, slope = target.slope(kappa)
    before, place = value + _kinetic(momentum, mass), kappa
    for _ in range(LEAPS):
        momentum = momentum - step / 2 * slope
        place = place + step * filtered(momentum, 1 / mass)
        value, slope = target.slope(place)
        momentum = momentum - step / 2 * slope
    probability = torch.nan_to_num(before - value - _kinetic(momentum, mass), nan=-torch.inf).clamp_max(0).exp()
    accept = streams.uniform().to(probability) < probability
    return torch.where(accept.reshape(-1, 1, 1), place, kappa), probability


def adapted(log_step: Tensor, probability: Tensor) -> Tensor:
    """The step's logarithm after a trajectory that was accepted with ``probability`` (B,)."""
    return (log_step + ADAPTATION * (probability - TARGET_ACCEPTANCE)).clamp_max(0)


def filtered(x: Tensor, factors: Tensor) -> Tensor:
    """The circulant matrix with eigenvalues ``factors`` times ``x`` (B, s, s)."""
    return torch.fft.ifft2(factors * torch.fft.fft2(x)).real


def _white(like: Tensor, streams: SampleStreams) -> Tensor:
    """Spectra of white noise, of the shape of ``like`` (B, ...)."""
    return spectrum(streams.normal(tuple(like.shape[1:])).double())


def _kinetic(momentum: Tensor, mass: Tensor) -> Tensor:
    return 0.5 * (momentum * filtered(momentum, 1 / mass)).flatten(1).sum(1)
