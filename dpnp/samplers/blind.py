"""DPnP on the product space of image and blur kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from dpnp.consistency.blurred import BlurredCells
from dpnp.denoising import DenoisingSampler, QuarterCircle
from dpnp.priors.base import Prior
from dpnp.priors.kernel_scale import image_sum, image_to_kernel
from dpnp.priors.load import load_prior
from dpnp.rng import SampleStreams
from dpnp.samplers.base import Info, State
from dpnp.samplers.opening import BlindOpening, noised

KERNEL_PRIOR = "kernels-33"
KERNEL_ETA_MAX, KERNEL_ETA_MIN = 0.6, 0.05
EXACT = 2.0  # times the last eta: below it image and kernel are drawn from their joint law
OPENING = QuarterCircle(2)  # denoising draws of the kernel there
KAPPA, LOG_STEP = "kernel_image", "kernel_log_step"


@cache
def kernel_prior(device: str) -> Prior:
    """The shipped prior over kernels."""
    return load_prior(KERNEL_PRIOR, device, "float32")  # small: nothing to win by less


@dataclass(frozen=True)
class BlindKernel:
    """One iteration: consistency draws of kernel and image, and a denoising draw of each with its own prior.

    The chains begin with the iterations of :class:`dpnp.samplers.opening.BlindOpening`, from eta 10 down to the first one here.

    Near the last eta the consistency draw is of both together. Above it the image is integrated out of the kernel's: given an image with
    white noise of eta, as DPnP's own split has it, what explains a smooth measurement is a wide kernel, and by the time that the noise is
    gone the image has been sharpened to fit. Natural images are smooth themselves. So noise of eta is added to the last denoising draw x,
    and the kernel drawn where the image is the denoiser's answer D up to an error; x is a draw of the image given that noise, so that
    x - D is a draw of the error, and has its spectrum.

    State memory: ``kernel_image`` (B, 33, 33), the kernel in its prior's scale; ``kernel``, the same as a blur kernel of sum 1;
    ``kernel_log_step`` (B,) of the kernel's draws.
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
        """Calls per sample of the image's denoiser: those of the opening, and of every iteration one more than its denoising draw has, but
        for the last ones.

        The kernel's denoiser, a small one, is called apart from these.
        """
        return self._opening.calls + sum(self.denoising.calls + (not self._joint(eta)) for eta in self.etas)

    def init(self, streams: SampleStreams) -> State:
        """Standard normal images and kernel images; the first step begins with the opening."""
        size = self.consistency.kernel_size
        kappa, x = streams.normal((size, size)), streams.normal(self.prior.image_shape)
        log_step = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        return State(0, x, {KAPPA: kappa, "kernel": as_kernel(kappa), LOG_STEP: log_step})

    def step(self, state: State, streams: SampleStreams) -> tuple[State, Info]:
        """PCS of kernel and image, then DDS of each, at this iteration's eta."""
        eta, eta_kernel = self.etas[state.step], self._kernel_eta(state.step)
        x, kappa, log_step = state.x, state.memory[KAPPA], state.memory[LOG_STEP]
        if state.step == 0:
            x, kappa, log_step = self._opening.draw(x, kappa, streams)
        if self._joint(eta):
            x_half, kappa = self.consistency.draw_both(x, kappa, eta, eta_kernel, streams)
            kappa = denoised(self.denoising, kappa, eta_kernel, streams)
        else:
            guess = self.prior.denoise(*noised(x, eta, streams))
            kappa, log_step = self.consistency.draw_kernel(guess, self.consistency.power(x - guess), kappa, eta_kernel, log_step, streams)
            kappa = denoised(self.denoising, kappa, eta_kernel, streams)
            x_half = self.consistency.draw_image(x, image_to_kernel(kappa), eta, streams)
        x = self.denoising.draw(self.prior, x_half, eta, streams)
        return State(state.step + 1, x, {KAPPA: kappa, "kernel": as_kernel(kappa), LOG_STEP: log_step}, state.kept), {}

    def _joint(self, eta: float) -> bool:
        return eta <= EXACT * self.etas[-1]

    @property
    def _opening(self) -> BlindOpening:
        return BlindOpening(self.prior, self.consistency, partial(denoised, OPENING), self.etas[0])

    def _kernel_eta(self, step: int) -> float:
        """Falls from its own first value to its last as the image's eta does."""
        first, last = math.log(self.etas[0]), math.log(self.etas[-1])
        left = (math.log(self.etas[step]) - last) / (first - last) if first > last else 0.0
        return KERNEL_ETA_MIN * (KERNEL_ETA_MAX / KERNEL_ETA_MIN) ** left


def denoised(sampler: DenoisingSampler, kappa: Tensor, eta: float, streams: SampleStreams) -> Tensor:
    """A denoising draw of kernels as images (B, s, s), moved to the sum of a kernel's image."""
    drawn = sampler.draw(kernel_prior(str(kappa.device)), kappa[:, None].float(), eta, streams)[:, 0]
    return drawn + (image_sum(drawn[0].numel()) / drawn[0].numel() - drawn.mean((1, 2), keepdim=True))


def as_kernel(kappa: Tensor) -> Tensor:
    """Kernels on the simplex: non-negative, sum 1."""
    kernel = image_to_kernel(kappa).clamp_min(0)
    return kernel / kernel.sum((1, 2), keepdim=True).clamp_min(torch.finfo(kernel.dtype).tiny)
