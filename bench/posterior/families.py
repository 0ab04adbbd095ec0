"""The problems of the benchmark, each with an exact sampler of its posterior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bench._problems import Amplitude, GridPosterior, LinearProblem, gaussian_prior, mixture_prior
from dpnp.priors import GaussianMixture
from operators import ForwardModel, Quantization


class Exact(Protocol):
    """Something that draws from a posterior exactly."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` draws, (n, 1, 1, d)."""
        ...


@dataclass(frozen=True)
class Problem:
    """A prior, a forward model, a measurement and the exact posterior."""

    prior: GaussianMixture
    model: ForwardModel
    y: Tensor
    exact: Exact


def linear(prior: GaussianMixture, m: int, noise_std: float, seed: int, conditioning: float = 1.0) -> Problem:
    """A random linear problem."""
    problem = LinearProblem.random(prior, m, noise_std, seed, conditioning)
    return Problem(prior, problem.model, problem.y, problem.posterior)


def toy(model: ForwardModel, seed: int) -> Problem:
    """A problem on two pixels whose posterior is tabulated."""
    prior = mixture_prior(2, 4, seed=seed, separation=0.9)
    y = model.simulate(prior.sample(1, torch.Generator().manual_seed(500 + seed))[0], seed)
    return Problem(prior, model, y, GridPosterior(prior, model, y))


PAIR = (1, 1, 2)
FAMILIES: dict[str, Callable[[int], Problem]] = {
    "gaussian, d 16, m 8": lambda seed: linear(gaussian_prior(16, seed), 8, 0.3, seed),
    "gaussian, d 64, m 32, cond 100": lambda seed: linear(gaussian_prior(64, seed), 32, 0.3, seed, 100.0),
    "6 modes, d 16, m 1": lambda seed: linear(mixture_prior(16, 6, seed, 1.0), 1, 0.3, seed),
    "6 modes, d 16, m 2": lambda seed: linear(mixture_prior(16, 6, seed, 1.0), 2, 0.3, seed),
    "6 modes, d 16, m 4": lambda seed: linear(mixture_prior(16, 6, seed, 1.0), 4, 0.3, seed),
    "6 modes, d 64, m 4": lambda seed: linear(mixture_prior(64, 6, seed, 1.0), 4, 0.3, seed),
    "one bit, d 2": lambda seed: toy(Quantization(image_shape=PAIR, tau=0.4), seed),
    "amplitude, d 2": lambda seed: toy(Amplitude(PAIR, 0.2), seed),
}
