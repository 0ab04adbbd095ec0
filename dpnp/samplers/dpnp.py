"""DPnP: diffusion plug-and-play posterior sampling (Xu & Chi, NeurIPS 2024)."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from dpnp.consistency import Consistency, ConsistencySampler, consistency_sampler
from dpnp.denoising import AncestralSDE, DenoisingSampler, QuarterCircle
from dpnp.priors.base import Prior
from dpnp.rng import SampleStreams
from dpnp.samplers.base import SAMPLER_CONFIG, Info, Kernel, Sampler, State
from dpnp.samplers.population import PopulationKernel
from dpnp.schedule import default_eta_min, geometric
from dpnp.smoothed import smoothed_likelihood
from operators import ForwardModel

PositiveLevel = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


@dataclass(frozen=True, config=SAMPLER_CONFIG)
class DPnP(Sampler):
    """Alternates exact-in-law draws of the likelihood's and the prior's half of the posterior, p(x | y) ∝ p(x) e^{L(x; y)}.

    With eta annealed geometrically from ``eta_max`` to ``eta_min`` over ``n_iterations``:

    - PCS  x_{k+1/2} ~ exp(L(x; y) - |x - x_k|² / (2 eta²)), by ``consistency``;
    - DDS  x_{k+1} ~ exp(log p(x) - |x - x_{k+1/2}|² / (2 eta²)), by ``denoising`` in ``denoising_steps`` denoiser calls.

    At constant eta the stationary law is pi_eta ∝ p(x) (e^L * N(0, eta² I))(x): the likelihood is blurred by eta. An ``eta_max`` far
    above the data's standard deviation makes the first iteration a draw from the prior, so that no warm start is needed.
    """

    name: ClassVar[str] = "dpnp"
    summary: ClassVar[str] = "Diffusion plug-and-play: exact-in-law likelihood and prior draws in turn, annealed"

    n_iterations: Annotated[int, Field(ge=1, le=10_000, description="PCS + DDS rounds")] = 30
    eta_max: Annotated[PositiveLevel, Field(description="first eta, a standard deviation in [-1, 1] scale")] = 10.0
    eta_min: Annotated[PositiveLevel | None, Field(description="last eta; chosen from the noise level when not given")] = None
    denoising: Annotated[Literal["ddim", "ddpm"], Field(description="DDS by the probability-flow ODE or by the reverse SDE")] = "ddim"
    denoising_steps: Annotated[int, Field(ge=1, le=1000, description="denoiser calls per iteration")] = 6
    ode_method: Annotated[Literal["ab2", "euler"], Field(description="integrator of DDS-DDIM")] = "ab2"
    consistency: Annotated[Consistency, Field(description="PCS: exact where the structure allows, or MALA")] = "auto"
    mala_steps: Annotated[int, Field(ge=2, le=2000, description="Metropolis-adjusted steps per iteration, where MALA is used")] = 40
    resampling: Annotated[Literal["none", "smc"], Field(description="smc: the samples are particles of one population")] = "none"
    smoothing_draws: Annotated[int, Field(ge=1, le=10_000, description="Monte Carlo pairs per weight without a closed form")] = 32
    correction: Annotated[Literal["none", "importance"], Field(description="reweight from pi_eta to p(x | y) at the end")] = "none"

    def __post_init__(self) -> None:
        if self.correction != "none" and self.resampling != "smc":
            raise ValueError(f"correction={self.correction!r} needs resampling='smc', got resampling={self.resampling!r}")

    def schedule(self, model: ForwardModel) -> list[float]:
        """The eta of every iteration."""
        eta_min = default_eta_min(model) if self.eta_min is None else self.eta_min
        return geometric(max(self.eta_max, eta_min), eta_min, self.n_iterations)

    def kernel(self, prior: Prior, model: ForwardModel, y: Tensor) -> Kernel:
        """Bind to a problem."""
        steps, etas = self.denoising_steps, self.schedule(model)
        denoising: DenoisingSampler = QuarterCircle(steps, self.ode_method) if self.denoising == "ddim" else AncestralSDE(steps)
        chains = DPnPKernel(prior, consistency_sampler(model, y, self.consistency, self.mala_steps), denoising, etas)
        if self.resampling == "none":
            return chains
        return PopulationKernel(chains, etas, smoothed_likelihood(model, y, self.smoothing_draws), self.correction == "importance")


@plain_dataclass(frozen=True)
class DPnPKernel:
    """One DPnP iteration as a pure step."""

    prior: Prior
    consistency: ConsistencySampler
    denoising: DenoisingSampler
    etas: list[float]

    @property
    def total(self) -> int:
        """Iterations."""
        return len(self.etas)

    @property
    def nfe(self) -> int:
        """Denoiser calls per sample."""
        return self.total * self.denoising.calls

    def init(self, streams: SampleStreams) -> State:
        """Standard normal images: at a large first eta the start is forgotten."""
        return State(0, streams.normal(self.prior.image_shape), self.consistency.init(len(streams)))

    def step(self, state: State, streams: SampleStreams) -> tuple[State, Info]:
        """PCS, then DDS, at this iteration's eta. Info is the consistency sampler's."""
        eta = self.etas[state.step]
        x_half, memory, info = self.consistency.draw(state.x, eta, state.memory, streams)
        x = self.denoising.draw(self.prior, x_half, eta, streams)
        return State(state.step + 1, x, {**state.memory, **memory}), info
