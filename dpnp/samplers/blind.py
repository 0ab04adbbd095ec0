"""DPnP on the product space of image and blur kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from dpnp.consistency.blurred import BlurredCells
from dpnp.denoising import DenoisingSampler
from dpnp.priors.base import Prior
from dpnp.priors.kernel_scale import image_sum, image_to_kernel
from dpnp.priors.load import load_prior
from dpnp.rng import SampleStreams
from dpnp.samplers.base import Info, State
from dpnp.samplers.begin import begins_at_mean, prior_mean

KERNEL_PRIOR = "kernels-33"
KERNEL_ETA_MAX = 1.0  # about the kernels' standard deviation as images: a wider start tells them nothing
KERNEL_DECAY = 1.4  # of the kernel's eta as a power of the image's: a kernel's blur by eta hides more of the measurement than an image's
SOFTENING = 0.35  # a typical kernel's root mean square gain: what eta becomes in the blurred image
KAPPA = "kernel_image"


@cache
def kernel_prior(device: str) -> Prior:
    """The shipped prior over kernels."""
    return load_prior(KERNEL_PRIOR, device=device)


@dataclass(frozen=True)
class BlindKernel:
    """One iteration: a consistency draw of image and kernel together, then a denoising draw of each with its own prior.

    While eta is above its last value the noise of the measurement is taken for as much larger as an image blurred by eta makes it. At the
    true noise level image and kernel confirm each other in the first iterations, whatever the kernel is, and the chain stays there.

    State memory: ``kernel_image`` (B, 33, 33), the kernel in its prior's scale, and ``kernel``, the same as a blur kernel of sum 1.
    """

    prior: Prior
    consistency: BlurredCells
    denoising: DenoisingSampler
    etas: list[float]

    @property
    def total(self) -> int:
        """Iterations."""
        return len(self.etas)

    @property
    def nfe(self) -> int:
        """Calls per sample of the image's denoiser; the kernel's is called as often, and once more."""
        return self.total * self.denoising.calls + begins_at_mean(self.etas[0])

    def init(self, streams: SampleStreams) -> State:
        """Standard normal images and kernel images; the first step draws the kernels from their prior."""
        size = self.consistency.kernel_size
        kappa = streams.normal((size, size))
        return State(0, streams.normal(self.prior.image_shape), {KAPPA: kappa, "kernel": as_kernel(kappa)})

    def step(self, state: State, streams: SampleStreams) -> tuple[State, Info]:
        """PCS of both, then DDS of each, at this iteration's eta."""
        eta = self.etas[state.step]
        eta_kernel = min(eta, KERNEL_ETA_MAX) ** KERNEL_DECAY
        x, kappa = state.x, state.memory[KAPPA]
        if state.step == 0:
            kappa = self._denoised(kappa, max(eta, 10 * KERNEL_ETA_MAX), streams)
            x = prior_mean(self.prior, x) if begins_at_mean(eta) else x
        x_half, kappa_half = self._softened(eta).draw_both(x, kappa, eta, eta_kernel, streams)
        x = self.denoising.draw(self.prior, x_half, eta, streams)
        kappa = self._denoised(kappa_half, eta_kernel, streams)
        return replace(state, step=state.step + 1, x=x, memory={KAPPA: kappa, "kernel": as_kernel(kappa)}), {}

    def _softened(self, eta: float) -> BlurredCells:
        """The consistency sampler under more noise: std² + c² (eta² - eta_last²), nothing more at the last eta."""
        noise, gain = self.consistency.noise, self.consistency.transform.largest_singular_value() or 1.0
        std = math.sqrt(noise.tau**2 + (SOFTENING * gain) ** 2 * max(eta**2 - self.etas[-1] ** 2, 0.0))
        return replace(self.consistency, noise=noise.with_tau(std))

    def _denoised(self, kappa: Tensor, eta: float, streams: SampleStreams) -> Tensor:
        prior = kernel_prior(str(kappa.device))
        drawn = self.denoising.draw(prior, kappa[:, None].float(), eta, streams)[:, 0].to(kappa.dtype)
        return drawn + (image_sum(drawn[0].numel()) / drawn[0].numel() - drawn.mean((1, 2), keepdim=True))


def as_kernel(kappa: Tensor) -> Tensor:
    """Kernels on the simplex: non-negative, sum 1."""
    kernel = image_to_kernel(kappa).clamp_min(0)
    return kernel / kernel.sum((1, 2), keepdim=True).clamp_min(torch.finfo(kernel.dtype).tiny)
