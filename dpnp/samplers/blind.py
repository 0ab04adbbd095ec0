"""DPnP on the product space of image and blur kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from dpnp.consistency.base import Memory
from dpnp.consistency.blurred import BlurredCells
from dpnp.denoising import DenoisingSampler, QuarterCircle
from dpnp.priors.base import Prior
from dpnp.priors.kernel_scale import image_sum, image_to_kernel
from dpnp.priors.load import load_prior
from dpnp.rng import SampleStreams
from dpnp.samplers.base import Info, State
from dpnp.samplers.begin import FORGETTING_ETA, prior_mean

KERNEL_PRIOR = "kernels-33"
KERNEL_ETA_MAX, KERNEL_ETA_MIN = 1.5, 0.05  # a sharp kernel's peak is far above its image's range
EXACT = 2.0  # times the last eta: below it image and kernel are drawn from their joint law
SPECTRUM = QuarterCircle(4)  # draws the image whose spectrum stands for the prior's
KAPPA = "kernel_image"


@cache
def kernel_prior(device: str) -> Prior:
    """The shipped prior over kernels."""
    return load_prior(KERNEL_PRIOR, device, "float32")  # small: nothing to win by less


@dataclass(frozen=True)
class BlindKernel:
    """One iteration: consistency draws of kernel and image, and a denoising draw of each with its own prior.

    Near the last eta the consistency draw is of both together. Above it the image is integrated out of the kernel's: given an image with
    white noise of eta, as DPnP's own split has it, what explains a smooth measurement is a wide kernel, and by the time that the noise is
    gone the image has been sharpened to fit. Natural images are smooth themselves, so the kernel is drawn where the image is its last
    denoising draw up to an error whose spectrum is the prior's, seen in noise of eta. At first that is the prior's mean and spectrum.

    State memory: ``kernel_image`` (B, 33, 33), the kernel in its prior's scale; ``kernel``, the same as a blur kernel of sum 1; ``power``,
    the prior's spectrum; ``log_step`` (B,) of the kernel's draws.
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
        """Calls per sample of the image's denoiser: those of the iterations, of the mean and of one draw of the prior.

        The kernel's is called as often, but for the mean.
        """
        return self.total * self.denoising.calls + SPECTRUM.calls + 1

    def init(self, streams: SampleStreams) -> State:
        """Standard normal images and kernel images; the first step draws the kernels from their prior."""
        size = self.consistency.kernel_size
        kappa, x = streams.normal((size, size)), streams.normal(self.prior.image_shape)
        memory = {
            KAPPA: kappa,
            "kernel": as_kernel(kappa),
            "power": self.consistency.power(x),
            "log_step": torch.full_like(x[:, 0, 0, 0], -1, dtype=torch.float64),
        }
        return State(0, x, memory)

    def step(self, state: State, streams: SampleStreams) -> tuple[State, Info]:
        """PCS of kernel and image, then DDS of each, at this iteration's eta."""
        eta, eta_kernel = self.etas[state.step], self._kernel_eta(state.step)
        start = state.step == 0
        x, memory = self._begin(state, streams) if start else (state.x, state.memory)
        kappa, log_step = memory[KAPPA], memory["log_step"]
        if eta <= EXACT * self.etas[-1] and not start:
            x_half, kappa = self.consistency.draw_both(x, kappa, eta, eta_kernel, streams)
            kappa = self._denoised(kappa, eta_kernel, streams)
        else:
            error = memory["power"] if start else self.consistency.error(memory["power"], self.etas[state.step - 1])
            kappa, log_step = self.consistency.draw_kernel(x, error, kappa, eta_kernel, log_step, streams)
            kappa = self._denoised(kappa, eta_kernel, streams)
            x_half = self.consistency.draw_image(x, image_to_kernel(kappa), eta, streams)
        x = self.denoising.draw(self.prior, x_half, eta, streams)
        memory = {**memory, KAPPA: kappa, "kernel": as_kernel(kappa), "log_step": log_step}
        return replace(state, step=state.step + 1, x=x, memory=memory), {}

    def _begin(self, state: State, streams: SampleStreams) -> tuple[Tensor, Memory]:
        """The prior's mean, kernels from their prior, and the prior's spectrum about the mean by one draw."""
        mean = prior_mean(self.prior, state.x)
        power = self.consistency.power(SPECTRUM.draw(self.prior, mean, FORGETTING_ETA, streams) - mean)
        return mean, {**state.memory, KAPPA: self._denoised(state.memory[KAPPA], FORGETTING_ETA, streams), "power": power}

    def _kernel_eta(self, step: int) -> float:
        """Falls from its own first value to its last as the image's eta does."""
        first, last = math.log(self.etas[0]), math.log(self.etas[-1])
        left = (math.log(self.etas[step]) - last) / (first - last) if first > last else 0.0
        return KERNEL_ETA_MIN * (KERNEL_ETA_MAX / KERNEL_ETA_MIN) ** left

    def _denoised(self, kappa: Tensor, eta: float, streams: SampleStreams) -> Tensor:
        prior = kernel_prior(str(kappa.device))
        drawn = self.denoising.draw(prior, kappa[:, None].float(), eta, streams)[:, 0].to(kappa.dtype)
        return drawn + (image_sum(drawn[0].numel()) / drawn[0].numel() - drawn.mean((1, 2), keepdim=True))


def as_kernel(kappa: Tensor) -> Tensor:
    """Kernels on the simplex: non-negative, sum 1."""
    kernel = image_to_kernel(kappa).clamp_min(0)
    return kernel / kernel.sum((1, 2), keepdim=True).clamp_min(torch.finfo(kernel.dtype).tiny)
