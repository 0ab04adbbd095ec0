"""DPS: diffusion posterior sampling (Chung et al., ICLR 2023)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from dpnp.baselines.blind import BlindGuidedKernel
from dpnp.baselines.guided import GuidedKernel
from dpnp.baselines.vp import TRAIN_STEPS, ladder
from dpnp.priors.base import Prior
from dpnp.samplers.base import SAMPLER_CONFIG, Sampler
from dpnp.samplers.blind import kernel_prior
from operators import ForwardModel


@dataclass(frozen=True, config=SAMPLER_CONFIG)
class DPS(Sampler):
    """Ancestral sampling pushed down the gradient of the misfit's norm: x_{t-1} -= step_size · grad |y - a(D(x_t))| (algorithm 1).

    The norm is taken per sample; for noise that is not Gaussian it is the noise level times the square root of the deviance. A
    heuristic: the law of its samples is not the posterior, for any step size. With an unknown blur kernel it is BlindDPS (Chung et al.,
    CVPR 2023): a second chain draws the kernel from its prior, moved by the same misfit.
    """

    name: ClassVar[str] = "dps"
    summary: ClassVar[str] = "Diffusion posterior sampling (baseline): ancestral sampling with a misfit gradient"
    samples_hidden: ClassVar[bool] = True

    n_steps: Annotated[int, Field(ge=1, le=TRAIN_STEPS, description="denoiser calls, each with a backward pass")] = 1000
    step_size: Annotated[float, Field(ge=0, allow_inf_nan=False, description="the paper's zeta'")] = 1.0

    def kernel(self, prior: Prior, model: ForwardModel, y: Tensor) -> GuidedKernel | BlindGuidedKernel:
        """Bind to a problem."""

        def misfit(clean: Tensor, of: ForwardModel) -> Tensor:
            return -of.noise.scale * of.noise.deviance(y[None], of.map(clean)).sqrt()

        if model.hidden:
            kernels = kernel_prior(str(prior.device))
            return BlindGuidedKernel(
                prior, kernels, ladder(self.n_steps), lambda x, k: misfit(x, model.given({"kernel": k})), self.step_size
            )
        return GuidedKernel(prior, ladder(self.n_steps), lambda x, rung, streams: misfit(x, model), lambda rung: self.step_size)
