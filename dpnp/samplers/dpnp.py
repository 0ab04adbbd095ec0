"""DPnP: diffusion plug-and-play posterior sampling (Xu & Chi, NeurIPS 2024)."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from dpnp.consistency import Consistency, ConsistencySampler, consistency_sampler
from dpnp.consistency.select import blurred_cells, splits
from dpnp.consistency.split import SplitHMC
from dpnp.denoising import AncestralSDE, DenoisingSampler, QuarterCircle
from dpnp.errors import UnsupportedError
from dpnp.priors.base import Prior
from dpnp.rng import SampleStreams
from dpnp.samplers.base import SAMPLER_CONFIG, Info, Kernel, Sampler, State
from dpnp.samplers.begin import begins_at_mean, prior_mean
from dpnp.samplers.blind import BlindKernel
from dpnp.samplers.longrun import LongRun
from dpnp.samplers.population import PopulationKernel
from dpnp.samplers.tempering import AdaptiveEtas, EtaChoice, FixedEtas
from dpnp.schedule import default_eta_max, default_eta_min, geometric
from dpnp.smoothed import MonteCarloSmoothed, SmoothedLikelihood, smoothed_likelihood
from operators import ForwardModel

PositiveLevel = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


@dataclass(frozen=True, config=SAMPLER_CONFIG)
class DPnP(Sampler):
    """Alternates exact-in-law draws of the likelihood's and the prior's half of the posterior, p(x | y) ∝ p(x) e^{L(x; y)}.

    With eta annealed geometrically from ``eta_max`` to ``eta_min`` over ``n_iterations``, from the prior's mean:

    - PCS  x_{k+1/2} ~ exp(L(x; y) - |x - x_k|² / (2 eta²)), by ``consistency``;
    - DDS  x_{k+1} ~ exp(log p(x) - |x - x_{k+1/2}|² / (2 eta²)), by ``denoising`` in ``denoising_steps`` denoiser calls.

    At constant eta the stationary law is pi_eta ∝ p(x) (e^L * N(0, eta² I))(x): the likelihood is blurred by eta. ``split_noise`` makes
    up for that: L is then the likelihood of the noise without the Gaussian part that eta brings (docs/mathematics.md), so that pi_eta is
    p(x | y) itself as long as eta, seen through the map, is smaller than the noise, or, of cells, than their Gaussian dither. That needs
    linear maps with Gaussian noise and a thin SVD, or cells behind a map with orthogonal rows. It holds nearly for logistic dither and to
    first order for amplitudes; elsewhere it changes nothing. An ``eta_max`` far above the data's standard deviation makes the first
    iteration a draw from the prior; from a smaller one the chains remember that they began at the prior's mean, which costs one more
    denoiser call. Neither needs a warm start by another method.

    What is exact: each draw, up to the DDS integrator's, HMC's and MALA's own error; the long run at constant eta, for pi_eta. What is not:
    pi_eta for p(x | y) (a smaller ``eta_min`` is closer but mixes slower), and independent annealed chains on a multi-modal posterior,
    whose mode weights freeze at a large eta. ``resampling="smc"`` makes the chains one population whose law tends to pi_eta as
    ``n_samples`` grows, and ``correction="importance"`` takes it on to p(x | y). A population behind amplitudes is not split: its weights
    are estimates, and would be nothing but error in the little noise that is left. ``draws_per_chain`` > 1 keeps several draws of every
    chain, after ``burn_in`` iterations at ``eta_min``, and reports how well the chains have mixed.
    """

    name: ClassVar[str] = "dpnp"
    samples_hidden: ClassVar[bool] = True
    summary: ClassVar[str] = "Diffusion plug-and-play: exact-in-law likelihood and prior draws in turn, annealed"

    n_iterations: Annotated[int, Field(ge=1, le=10_000, description="PCS + DDS rounds")] = 30
    eta_max: Annotated[
        PositiveLevel | None,
        Field(description="first eta, a standard deviation in [-1, 1] scale; if not given, 10 for linear models, 1 for others, 0.45 blind"),
    ] = None
    eta_min: Annotated[PositiveLevel | None, Field(description="last eta; chosen from the noise level when not given")] = None
    denoising: Annotated[Literal["ddim", "ddpm"], Field(description="DDS by the probability-flow ODE or by the reverse SDE")] = "ddim"
    denoising_steps: Annotated[int, Field(ge=1, le=1000, description="denoiser calls per iteration")] = 6
    ode_method: Annotated[Literal["ab2", "euler"], Field(description="integrator of DDS-DDIM")] = "ab2"
    split_noise: Annotated[
        bool, Field(description="count eta as a part of the measurement's noise where its law allows, instead of adding it")
    ] = True
    consistency: Annotated[
        Consistency, Field(description="PCS: auto is exact where the structure allows, else HMC; exact and mala insist")
    ] = "auto"
    mala_steps: Annotated[
        int, Field(ge=2, le=2000, description="most gradients of the likelihood per iteration, where PCS is a Markov chain (HMC or MALA)")
    ] = 20
    resampling: Annotated[Literal["none", "smc"], Field(description="smc: the samples are particles of one population")] = "none"
    smoothing_draws: Annotated[int, Field(ge=1, le=10_000, description="Monte Carlo pairs per weight without a closed form")] = 32
    correction: Annotated[Literal["none", "importance"], Field(description="reweight from pi_eta to p(x | y) at the end")] = "none"

    adaptive_ess: Annotated[
        float | None, Field(gt=0, lt=1, description="smc: choose each eta so that this share of the particles stays effective")
    ] = None
    draws_per_chain: Annotated[int, Field(ge=1, le=200, description="draws kept of every chain at eta_min")] = 1
    burn_in: Annotated[int, Field(ge=0, le=10_000, description="iterations at eta_min before the first kept draw")] = 0
    thinning: Annotated[int, Field(ge=1, le=1000, description="iterations between kept draws")] = 1

    def __post_init__(self) -> None:
        population = self.resampling == "smc"
        if not population and (self.correction != "none" or self.adaptive_ess is not None):
            raise ValueError("correction and adaptive_ess need resampling='smc', got resampling='none'")
        if population and self.draws_per_chain > 1:
            raise ValueError("draws_per_chain > 1 needs independent chains, resampling='none', got resampling='smc'")

    def schedule(self, model: ForwardModel, split: bool) -> list[float]:
        """The eta of every iteration: the decay, then the long run at eta_min. ``split``: whether eta is taken out of the noise."""
        eta_min = default_eta_min(model, split) if self.eta_min is None else self.eta_min
        eta_max = default_eta_max(model) if self.eta_max is None else self.eta_max
        decay = geometric(max(eta_max, eta_min), eta_min, self.n_iterations)
        return decay + [eta_min] * (self.burn_in + (self.draws_per_chain - 1) * self.thinning)

    def kernel(self, prior: Prior, model: ForwardModel, y: Tensor) -> Kernel:
        """Bind to a problem."""
        steps = self.denoising_steps
        denoising: DenoisingSampler = QuarterCircle(steps, self.ode_method) if self.denoising == "ddim" else AncestralSDE(steps)
        if model.hidden:
            return self._blind(prior, model, y, denoising)
        consistency = self._consistency(model, y)
        etas = self.schedule(model, splits(consistency))
        chains = DPnPKernel(prior, consistency, denoising, etas)
        if self.resampling == "none":
            return chains if self.draws_per_chain == 1 else LongRun(chains, self.n_iterations + self.burn_in, self.thinning)
        smoothed = smoothed_likelihood(model, y, self.smoothing_draws, splits(consistency))
        return PopulationKernel(chains, self._eta_choice(etas, smoothed), smoothed, self.correction == "importance")

    def _consistency(self, model: ForwardModel, y: Tensor) -> ConsistencySampler:
        """Unsplit behind amplitudes where a population's weights have to be those of the same split: they are estimates."""
        sampler = consistency_sampler(model, y, self.consistency, self.mala_steps, self.split_noise)
        return sampler.chains if self.resampling == "smc" and isinstance(sampler, SplitHMC) else sampler

    def _blind(self, prior: Prior, model: ForwardModel, y: Tensor, denoising: DenoisingSampler) -> Kernel:
        consistency = blurred_cells(model, y)
        if consistency is None or self.consistency != "auto" or self.resampling != "none":
            unknown = ", ".join(model.hidden)
            raise UnsupportedError(f"an unknown {unknown} needs consistency='auto' and resampling='none'")
        chains = BlindKernel(prior, consistency, denoising, self.schedule(model, split=False))
        return chains if self.draws_per_chain == 1 else LongRun(chains, self.n_iterations + self.burn_in, self.thinning)

    def _eta_choice(self, etas: list[float], smoothed: SmoothedLikelihood) -> EtaChoice:
        if self.adaptive_ess is None:
            return FixedEtas(etas)
        if isinstance(smoothed, MonteCarloSmoothed):
            raise UnsupportedError("adaptive_ess needs a likelihood whose smoothing has a closed form; this one's is estimated")
        return AdaptiveEtas(etas[0], etas[-1], len(etas), self.adaptive_ess, smoothed)


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
        return self.total * self.denoising.calls + begins_at_mean(self.etas[0])

    def init(self, streams: SampleStreams) -> State:
        """Standard normal images, which a large first eta forgets; below it the first step starts from the prior's mean instead."""
        return State(0, streams.normal(self.prior.image_shape), self.consistency.init(len(streams)))

    def step(self, state: State, streams: SampleStreams) -> tuple[State, Info]:
        """PCS, then DDS, at this iteration's eta. Info is the consistency sampler's."""
        return self.iterate(state, self.etas[state.step], streams)

    def iterate(self, state: State, eta: float, streams: SampleStreams) -> tuple[State, Info]:
        """PCS, then DDS, at ``eta``: leaves pi_eta invariant."""
        start = state.step == 0 and begins_at_mean(self.etas[0])
        x = prior_mean(self.prior, state.x) if start else state.x
        x_half, memory, info = self.consistency.draw(x, eta, state.memory, streams)
        x = self.denoising.draw(self.prior, x_half, eta, streams)
        return replace(state, step=state.step + 1, x=x, memory={**state.memory, **memory}), info
