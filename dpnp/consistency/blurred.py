"""Gibbs sampling of blurred images, and of their blur kernels, from cells such as JPEG's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dpnp.consistency.base import Draw, Memory
from dpnp.consistency.blurred_image import BlurredImage
from dpnp.consistency.blurred_kernel import BlurredKernel
from dpnp.consistency.blurred_walk import Evidence, Guess, KernelTarget, adapted, kernel_mass, trajectory
from dpnp.consistency.fourier import BoxAverage, mixed, radial_power, spectrum
from dpnp.priors.kernel_scale import image_to_kernel
from dpnp.priors.spectrum import on_frequencies
from dpnp.rng import SampleStreams
from operators.maps import Constant, LinearMap, Planes
from operators.maps.blur import transfer_function
from operators.noise import CellNoise
from operators.noise.dither import log_interval
from operators.truncated import truncated_normal

SWEEPS = 12
GUESS_SWEEPS = 3
TRAJECTORIES = 3
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
        return Draw(self.draw_image(x_k, self.kernel.to(x_k.device).expand(len(x_k), -1, -1), eta, streams), memory, {})

    def draw_image(self, x_k: Tensor, kernel: Tensor, eta: float, streams: SampleStreams) -> Tensor:
        """Images (B, C, H, W) after the sweeps, for kernels (B, s, s)."""
        near = x_k.double()
        transfer = self.transfer(kernel.double())
        p = self.signal(near, transfer, self._entries(eta, transfer), streams)
        x = self._image.draw(p, near, eta, self._std, transfer, streams)
        for _ in range(SWEEPS):
            p = self.signal(x, transfer, self._entries(0.0, transfer), streams)
            x = self._image.draw(p, near, eta, self._std, transfer, streams)
        return x.to(x_k.dtype)

    def draw_both(self, x_k: Tensor, kappa_k: Tensor, eta: float, eta_kernel: float, streams: SampleStreams) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) and kernels as images (B, s, s) after the sweeps."""
        x, near, near_kappa = x_k.double(), x_k.double(), kappa_k.double()
        transfer = self.transfer(image_to_kernel(near_kappa))
        spread = self._spread(eta, transfer)
        p = self.signal(x, transfer, self.planes.spread(spread), streams)
        kappa = self._kernel.draw(p, x, near_kappa, eta_kernel, spread, streams)
        for sweep in range(SWEEPS):
            transfer = self.transfer(image_to_kernel(kappa))
            x = self._image.draw(p, near, eta, self._std, transfer, streams)
            p = self.signal(x, transfer, self._entries(0.0, transfer), streams)
            if sweep % KERNEL_EVERY == KERNEL_EVERY - 1:
                kappa = self._kernel.draw(p, x, near_kappa, eta_kernel, self._spread(0.0, transfer), streams)
        return x.to(x_k.dtype), kappa.to(kappa_k.dtype)

    def draw_kernel(
        self, x: Tensor, power: Tensor, kappa_k: Tensor, eta: float, log_step: Tensor, streams: SampleStreams
    ) -> tuple[Tensor, Tensor]:
        """Kernels as images (B, s, s) near ``kappa_k``, the image integrated out: it is ``x`` up to an error whose spectrum in the planes
        is ``power`` (B, P, H, W). Trajectories of Hamiltonian Monte Carlo, their step adapted after the first; and log(step) (B,).

        The planes before rounding are drawn anew for every trajectory, the correlations of the measurement's entries left out: in the
        conditionals with them image and kernel hold each other fast, as a wide kernel leaves nothing in the cells of fine detail, and
        that asks for one.
        """
        x, power, near, kappa = x.double(), power.double(), kappa_k.double(), kappa_k.double()
        guesses = self._guesses(x, power)
        mass = kernel_mass(guesses, near, eta, self._std)
        for k in range(TRAJECTORIES):
            transfer = self.transfer(image_to_kernel(kappa))
            p = self.signal(x, transfer, self._doubt(guesses, transfer), streams)
            evidence = [
                Evidence(g, spectrum(torch.stack(p[part], 1)), self._std) for g, (_, part) in zip(guesses, self._averages, strict=True)
            ]
            kappa, probability = trajectory(KernelTarget(evidence, near, eta), kappa, mass, log_step, streams)
            log_step = adapted(log_step, probability) if k < TRAJECTORIES // 2 else log_step
        return kappa.to(kappa_k.dtype), log_step

    def log_evidence(self, x: Tensor, power: Tensor, kernel: Tensor) -> Tensor:
        """log p(y | kernel) (B,) for kernels (B, s, s), the image integrated out: ``x`` and ``power`` as for :meth:`draw_kernel`, or one
        ``x`` for all of them.

        The correlations of the measurement's entries are left out. In the precision of ``x``.
        """
        transfer = self.transfer(kernel)
        std = self._doubt(self._guesses(x, power), transfer)
        clean = self._blurred(x, transfer)
        low, high = self.noise.cells(self.y[None].to(clean))
        return log_interval((low - clean) / std, (high - clean) / std, "gaussian").flatten(1).sum(1)

    def draw_guessed(self, x: Tensor, power: Tensor, kernel: Tensor, streams: SampleStreams) -> Tensor:
        """Images (B, C, H, W) after a few sweeps, for kernels (B, s, s): as :meth:`draw_image`, where the image is ``x`` up to a
        stationary Gaussian error whose spectrum in the planes is ``power`` (B, P, H, W), independent between them.
        """
        guess, guesses = x.double(), self._guesses(x.double(), power.double())
        transfer = self.transfer(kernel.double())
        p = self.signal(guess, transfer, self._doubt(guesses, transfer), streams)
        drawn = self._drawn(guesses, p, transfer, streams)
        for _ in range(GUESS_SWEEPS):
            p = self.signal(drawn, transfer, self._entries(0.0, transfer), streams)
            drawn = self._drawn(guesses, p, transfer, streams)
        return drawn.to(x.dtype)

    def power(self, x: Tensor) -> Tensor:
        """The spectra (B, P, H, W), in the planes, of stationary images of which ``x`` (B, C, H, W) are draws."""
        return radial_power(self._mixed(x))

    def power_of(self, radial: Tensor) -> Tensor:
        """The same (P, H, W) from the channels' cross spectra (rings, C, C) of the images' law."""
        colours = torch.cat([self.planes.full.like(radial), self.planes.averaged.like(radial)])
        power = torch.einsum("pc,cdhw,pd->phw", colours, on_frequencies(radial, *self.transform.image_shape[1:]), colours)
        return power.clamp_min(0)  # of nearly grey images a plane is the small difference of rounded numbers

    def error(self, power: Tensor, eta: float) -> Tensor:
        """The spectra of what is left of ``power`` once the image has been seen in white noise of ``eta``."""
        colours = torch.cat([self.planes.full.like(power), self.planes.averaged.like(power)])
        noise = eta**2 * colours.square().sum(1).reshape(-1, 1, 1)
        return power * noise / (power + noise)

    def transfer(self, kernel: Tensor) -> Tensor:
        """Transfer functions (..., H, W) of kernels (..., s, s)."""
        return transfer_function(kernel, *self.transform.image_shape[1:])

    def signal(self, x: Tensor, transfer: Tensor, std: Tensor, streams: SampleStreams) -> list[Tensor]:
        """The planes before rounding given x and the kernel, with noise of ``std``, which broadcasts against the measurement."""
        clean = self._blurred(x, transfer)
        low, high = self.noise.cells(self.y[None].to(clean))
        drawn = truncated_normal(clean, std, low, high, streams.uniform(tuple(clean.shape[1:])))
        return self.planes.project(drawn)

    def _blurred(self, x: Tensor, transfer: Tensor) -> Tensor:
        return self.transform(torch.fft.ifft2(transfer[:, None] * torch.fft.fft2(x)).real)

    def _drawn(self, guesses: list[Guess], p: list[Tensor], transfer: Tensor, streams: SampleStreams) -> Tensor:
        """Images from draws of their planes."""
        parts = zip(guesses, self._averages, strict=True)
        spectra = [g.draw(spectrum(torch.stack(p[part], 1)), transfer, self._std, streams) for g, (_, part) in parts]
        return mixed(self._unmixing.like(spectra[0].real), torch.fft.ifft2(torch.cat(spectra, 1), norm="ortho").real)

    @property
    def _std(self) -> float:
        return max(self.noise.tau, LEAST_STD)

    def _spread(self, eta: float, transfer: Tensor) -> Tensor:
        """The noise's standard deviation in each plane (B, P), together with that of images known to ``eta``, correlations left out."""
        own = eta**2 * self._image.gains.like(transfer.real) * transfer.abs().square().flatten(1).mean(1, keepdim=True)
        return (own + self._std**2).sqrt()

    def _entries(self, eta: float, transfer: Tensor) -> Tensor:
        """The same for every entry of the measurement."""
        return self.planes.spread(self._spread(eta, transfer))

    def _guesses(self, x: Tensor, power: Tensor) -> list[Guess]:
        sharp = spectrum(self._mixed(x))
        return [Guess(average, sharp[:, part], power[:, part]) for average, part in self._averages]

    def _doubt(self, guesses: list[Guess], transfer: Tensor) -> Tensor:
        """The standard deviation of the measurement's entries: of the noise and the image's error, whose correlations are left out."""
        power = [plane for guess in guesses for plane in guess.blurred(transfer)[1].unbind(1)]
        return (self.planes.variances(power) + self._std**2).sqrt()

    def _mixed(self, x: Tensor) -> Tensor:
        """The planes (B, P, H, W) of images (B, C, H, W), none of them averaged."""
        return mixed(torch.cat([self.planes.full.like(x), self.planes.averaged.like(x)]), x)

    @cached_property
    def _unmixing(self) -> Constant:
        """Channels from planes none of which is averaged, (C, P)."""
        return Constant(torch.linalg.inv(torch.cat([self.planes.full.value, self.planes.averaged.value])))

    @cached_property
    def _averages(self) -> list[tuple[BoxAverage, slice]]:
        """The boxes of the planes, and which planes have them."""
        sides, full = self.transform.image_shape[1:], len(self.planes.full.value)
        whole = (BoxAverage((1, 1), *sides), slice(0, full))
        return [whole, (BoxAverage(self.planes.box, *sides), slice(full, None))] if len(self.planes.averaged.value) else [whole]

    @cached_property
    def _image(self) -> BlurredImage:
        return BlurredImage(self.planes, *self.transform.image_shape[1:])

    @cached_property
    def _kernel(self) -> BlurredKernel:
        return BlurredKernel(self.planes, *self.transform.image_shape[1:], self.kernel_size)
