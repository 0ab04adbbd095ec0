"""DPS: diffusion posterior sampling (Chung et al., ICLR 2023)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from dpnp.baselines.guided import GuidedKernel
from dpnp.baselines.vp import TRAIN_STEPS, Rung, ladder
from dpnp.priors.base import Prior
from dpnp.rng import SampleStreams
from dpnp.samplers.base import SAMPLER_CONFIG, Sampler
from operators import ForwardModel


@dataclass(frozen=True, config=SAMPLER_CONFIG)
class DPS(Sampler):
    """Ancestral sampling pushed down the gradient of the misfit's norm: x_{t-1} -= step_size · grad |y - a(D(x_t))| (algorithm 1).

    The norm is taken per sample; for noise that is not Gaussian it is the noise level times the square root of the deviance. A
    heuristic: the law of its samples is not the posterior, for any step size.
    """

    name: ClassVar[str] = "dps"
    summary: ClassVar[str] = "Diffusion posterior sampling (baseline): ancestral sampling with a misfit gradient"

    n_steps: Annotated[int, Field(ge=1, le=TRAIN_STEPS, description="denoiser calls, each with a backward pass")] = 1000
    step_size: Annotated[float, Field(ge=0, allow_inf_nan=False, description="the paper's zeta'")] = 1.0

    def kernel(self, prior: Prior, model: ForwardModel, y: Tensor) -> GuidedKernel:
        """Bind to a problem."""

        def objective(clean: Tensor, rung: Rung, streams: SampleStreams) -> Tensor:
            return -model.noise.scale * model.noise.deviance(y[None], model.map(clean)).sqrt()

        return GuidedKernel(prior, ladder(self.n_steps), objective, lambda rung: self.step_size)
