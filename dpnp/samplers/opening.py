"""How a blind chain begins: image and blur kernel drawn together, from pure noise down to the first eta."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from weakref import ref

import torch
from torch import Tensor

from dpnp.consistency.blurred import BlurredCells
from dpnp.denoising import QuarterCircle
from dpnp.priors.base import Prior
from dpnp.priors.edm import EDMPrior
from dpnp.priors.kernel_scale import image_to_kernel, kernel_to_image
from dpnp.priors.spectrum import radial_spectrum
from dpnp.priors.wrapped import innermost
from dpnp.rng import SampleStreams
from dpnp.samplers.begin import FORGETTING_ETA, prior_mean
from dpnp.schedule import geometric
from operators.blur_kernels import random_kernels

STEPS = 12
CANDIDATES = 128  # kernels that an iteration chooses from
CHOOSING_ETA = 1.0  # choosing further down gained nothing that could be measured
TEMPER = 0.1  # of the evidence, which takes the file's coefficients as independent: then its widths are as sure as they are right
CONTRAST = 0.8  # standard deviation of the logarithm of an image's power over the prior's mean power
KERNEL_ETAS = (1.5, 0.6, 0.25)  # draws of the kernel in an iteration, each nearer to the one before
POOL, POOL_SEED = 2048, 0
DRAWS, DRAWS_SEED, SPECTRUM = 8, 0, QuarterCircle(16)  # of the prior, for its spectrum
CHUNK = 2**22  # pixels of the blurred images that are compared with the file at a time

KernelDenoising = Callable[[Tensor, float, SampleStreams], Tensor]
"""A denoising draw of kernels as images (B, s, s) at a noise level."""


class Opened(NamedTuple):
    """A chain: ``x`` (B, C, H, W), ``kappa`` the kernels as images (B, s, s), ``log_step`` (B,) of the kernel's draws."""

    x: Tensor
    kappa: Tensor
    log_step: Tensor


@dataclass(frozen=True)
class BlindOpening:
    """Iterations from eta 10 down to ``last`` in which noise is added to the image and taken off again.

    Each makes z = x + eta e; given z the image is taken as Gaussian about D(z, eta), its error having the spectrum a S eta²/(a S + eta²):
    S is the prior's own, a the unknown strength of this image's. So the image can be integrated out, and kernel and strength are drawn
    together: first one of many kernels from the prior, the present one among them, by the evidence (iterated sampling importance
    resampling, Andrieu, Lee & Vihola 2018), then near it by Hamiltonian Monte Carlo and the kernel's own denoising draw; then x given
    all of them. At a large eta z tells little, so that the kernel is found for the file, not for an image that was made to fit another
    kernel (docs/mathematics.md).
    """

    prior: Prior
    consistency: BlurredCells
    denoise_kernel: KernelDenoising
    last: float

    @property
    def etas(self) -> list[float]:
        """Of the iterations after the first, whose image is the prior's mean."""
        return geometric(max(FORGETTING_ETA, self.last), self.last, STEPS)[1:]

    @property
    def calls(self) -> int:
        """Denoiser calls per sample: for the mean, and one for every further iteration. :func:`prior_spectrum` may need 136, once."""
        return STEPS

    def draw(self, noise: Tensor, kappa: Tensor, streams: SampleStreams) -> Opened:
        """From standard normal images (B, C, H, W) and kernel images (B, s, s)."""
        mean = prior_mean(self.prior, noise)
        power = self.consistency.power_of(prior_spectrum(self.prior).to(noise.device)).expand(len(noise), -1, -1, -1)
        strength = torch.ones(len(noise), dtype=power.dtype, device=noise.device)
        chain = Opened(mean, self.denoise_kernel(kappa, FORGETTING_ETA, streams), torch.full_like(strength, -1))
        for eta in (torch.inf, *self.etas):
            guess = mean if eta == torch.inf else self.prior.denoise(*noised(chain.x, eta, streams))
            kappa = chain.kappa
            if eta > CHOOSING_ETA:
                kappa, strength = self._choose(guess, power, eta, kappa, strength, streams)
            chain = self._moved(guess, self._error(power, strength, eta), kappa, chain.log_step, streams)
        return chain

    def _choose(
        self, guess: Tensor, power: Tensor, eta: float, kappa: Tensor, strength: Tensor, streams: SampleStreams
    ) -> tuple[Tensor, Tensor]:
        """Kernel and strength, one pair of the candidates, by their evidence to the power of ``TEMPER``."""
        pool = kernel_pool(str(kappa.device))
        others = (streams.uniform((CANDIDATES - 1,)) * len(pool)).long().clamp_max(len(pool) - 1)
        kernels = torch.cat([image_to_kernel(kappa)[:, None], pool[others].to(kappa)], 1)
        strengths = torch.cat([strength[:, None], (CONTRAST * streams.normal((CANDIDATES - 1,)).double()).exp()], 1)
        weights = torch.softmax(TEMPER * self._evidence(guess, power, eta, kernels, strengths), 1)
        u = streams.uniform((1,)).to(weights)
        chosen = torch.searchsorted(weights.cumsum(1), u).clamp_max(CANDIDATES - 1)
        kernel = kernels.take_along_dim(chosen[..., None, None], 1)[:, 0]
        return kernel_to_image(kernel), strengths.take_along_dim(chosen, 1)[:, 0]

    def _evidence(self, guess: Tensor, power: Tensor, eta: float, kernels: Tensor, strengths: Tensor) -> Tensor:
        """(B, m) for kernels (B, m, s, s) with strengths (B, m). Chain by chain: all of its kernels share the guess's transform."""
        size = max(1, CHUNK // guess[0, 0].numel())
        evidence = []
        for g, p, candidates, a in zip(guess.split(1), power.split(1), kernels, strengths, strict=True):
            parts = zip(candidates.split(size), a.split(size), strict=True)
            evidence += [torch.cat([self.consistency.log_evidence(g, self._error(p, s, eta).to(g), k) for k, s in parts])]
        return torch.stack(evidence)

    def _error(self, power: Tensor, strength: Tensor, eta: float) -> Tensor:
        """The spectra (B, P, H, W) of a guess's error, for ``strength`` (B,) times ``power`` seen in white noise of ``eta``."""
        own = strength.reshape(-1, 1, 1, 1) * power
        return own if eta == torch.inf else self.consistency.error(own, eta)

    def _moved(self, guess: Tensor, power: Tensor, kappa: Tensor, log_step: Tensor, streams: SampleStreams) -> Opened:
        """The kernel near ``kappa``, then the image."""
        for eta in KERNEL_ETAS:
            kappa, log_step = self.consistency.draw_kernel(guess, power, kappa, eta, log_step, streams)
            kappa = self.denoise_kernel(kappa, eta, streams)
        return Opened(self.consistency.draw_guessed(guess, power, image_to_kernel(kappa), streams), kappa, log_step)


def noised(x: Tensor, eta: float, streams: SampleStreams) -> tuple[Tensor, Tensor]:
    """x + eta e (B, C, H, W) and its noise levels (B,): what a denoiser takes."""
    return x + eta * streams.normal(tuple(x.shape[1:])), torch.full((len(x),), eta, dtype=x.dtype, device=x.device)


@lru_cache(maxsize=4)
def kernel_pool(device: str) -> Tensor:
    """Kernels (2048, 33, 33) from the law of blur kernels, the same ones always."""
    return random_kernels(POOL, torch.Generator().manual_seed(POOL_SEED)).to(device)


_kept: dict[int, tuple[ref[Prior], dict[tuple[object, ...], Tensor]]] = {}


def prior_spectrum(prior: Prior) -> Tensor:
    """The spectrum of the prior's law, (rings, C, C) as :func:`dpnp.priors.spectrum.radial_spectrum` has it.

    The training images' where the prior has it, else that of eight draws in 17 denoiser calls each: the same ones always, made one by
    one, so that they depend on no batch size. Those are kept for as long as the prior lives, on every device and in every precision that
    it is used in; a prior whose law changes under way must become another object.
    """
    inner = innermost(prior)
    if isinstance(inner, EDMPrior) and inner.spectrum is not None:
        return inner.spectrum
    kept, key = _kept_for(inner), (tuple(prior.image_shape), prior.device, prior.dtype)
    if key not in kept:
        draws = torch.cat([_centred_draw(prior, i) for i in range(DRAWS)])
        kept[key] = radial_spectrum(draws, torch.zeros_like(draws[0]))
    return kept[key]


def _centred_draw(prior: Prior, index: int) -> Tensor:
    streams = SampleStreams(DRAWS_SEED, [index], prior.device, prior.dtype)
    mean = prior_mean(prior, streams.normal(tuple(prior.image_shape)))
    return SPECTRUM.draw(prior, mean, FORGETTING_ETA, streams) - mean


def _kept_for(prior: Prior) -> dict[tuple[object, ...], Tensor]:
    """What is kept for this very object, until it goes; nothing for one that does not allow weak references."""
    number = id(prior)
    if number not in _kept:
        try:
            _kept[number] = ref(prior, lambda _: _kept.pop(number, None)), {}
        except TypeError:
            return {}
    return _kept[number][1]
