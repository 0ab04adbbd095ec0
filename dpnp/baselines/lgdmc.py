"""LGD-MC: loss-guided diffusion with Monte Carlo (Song et al., ICML 2023)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
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
class LGDMC(Sampler):
    """Ancestral sampling whose score has grad log (1/n) sum_i p(y | D(x_t) + r_t e_i) added, e_i ~ N(0, I), r_t = s/sqrt(1 + s²).

    The sum estimates p(y | x_t) for X_0 | x_t ~ N(D, r_t² I) (eq. 9 and 13). ``step_size`` 1 adds it as a score is added.
    """

    name: ClassVar[str] = "lgdmc"
    summary: ClassVar[str] = "Loss-guided diffusion with Monte Carlo (baseline): likelihood averaged around the denoised image"

    n_steps: Annotated[int, Field(ge=1, le=TRAIN_STEPS, description="denoiser calls, each with a backward pass")] = 1000
    n_draws: Annotated[int, Field(ge=1, le=1000, description="Monte Carlo draws per step")] = 5
    step_size: Annotated[float, Field(ge=0, allow_inf_nan=False, description="weight of the likelihood's score")] = 1.0

    def kernel(self, prior: Prior, model: ForwardModel, y: Tensor) -> GuidedKernel:
        """Bind to a problem."""

        def objective(clean: Tensor, rung: Rung, streams: SampleStreams) -> Tensor:
            spread = rung.sigma / math.sqrt(1 + rung.sigma**2)
            draws = [clean + spread * streams.normal(tuple(clean.shape[1:])) for _ in range(self.n_draws)]
            return torch.logsumexp(torch.stack([model.log_likelihood(x, y) for x in draws]), dim=0)

        return GuidedKernel(prior, ladder(self.n_steps), objective, self._score_step)

    def _score_step(self, rung: Rung) -> float:
        """What the ancestral mean multiplies a score by."""
        return self.step_size * (1 - rung.alpha) / math.sqrt(rung.alpha)
