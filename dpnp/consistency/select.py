"""Which consistency sampler a forward model gets: decided by the structure it declares."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from dpnp.consistency.base import ConsistencySampler
from dpnp.consistency.blurred import BlurredCells
from dpnp.consistency.entrywise import EntrywiseExact, entry_law
from dpnp.consistency.exact import PerturbAndSolve, SpectralGaussian
from dpnp.consistency.hmc import HMC, LEAPS
from dpnp.consistency.mala import MALA
from dpnp.consistency.metric import DiagonalMetric, metric_for
from dpnp.consistency.split import SplitHMC
from dpnp.errors import UnsupportedError
from operators import ForwardModel
from operators.blind import BlindBlur
from operators.blur_kernels import SIZE
from operators.maps import BlurMap, LinearMap, without_offset
from operators.maps.chain import LinearChain
from operators.noise import CellNoise, GaussianNoise, SeparableNoise

Consistency = Literal["auto", "exact", "mala"]


def exact_sampler(model: ForwardModel, y: Tensor, split: bool = False) -> ConsistencySampler | None:
    """An exact sampler where the structure allows one, else None. ``split`` where the sampler can."""
    map, noise, linear = model.map, model.noise, model.map.linear_part()
    if linear is not None and isinstance(noise, GaussianNoise):
        svd, y = linear.svd(), without_offset(map, y)
        return PerturbAndSolve(linear, y, noise.std) if svd is None else SpectralGaussian(svd, y, noise.std, split)
    if not isinstance(map, LinearMap) or map.row_gram is None or not isinstance(noise, SeparableNoise):
        return None
    law = entry_law(noise, model.measurement_shape == map.output_shape)
    return None if law is None else EntrywiseExact(map, map.row_gram, law, y, split and noise.divides)


def blurred_cells(model: ForwardModel, y: Tensor) -> BlurredCells | None:
    """Gibbs draws for cells of a map to planes, alone or after a circular blur, else None."""
    noise = model.noise
    if not isinstance(noise, CellNoise) or noise.dither != "gaussian":
        return None
    if isinstance(model, BlindBlur) and model.hidden:
        transform, kernel, size = model.transform, None, SIZE
    elif isinstance(model.map, LinearChain) and isinstance(model.map.first, BlurMap) and model.map.first.boundary == "circular":
        transform, kernel, size = model.map.last, model.map.first.kernel, 1
    elif isinstance(model.map, LinearMap):
        transform, kernel, size = model.map, torch.ones(1, 1), 1
    else:
        return None
    planes = transform.planes() if tuple(model.measurement_shape) == tuple(transform.output_shape) else None  # one look
    return None if planes is None else BlurredCells(transform, planes, noise, y, kernel, size)


def splits(sampler: ConsistencySampler) -> bool:
    """Whether ``sampler`` takes eta out of the measurement's noise."""
    return isinstance(sampler, SplitHMC) or (isinstance(sampler, (SpectralGaussian, EntrywiseExact)) and sampler.split)


def consistency_sampler(model: ForwardModel, y: Tensor, kind: Consistency, mala_steps: int, split: bool = False) -> ConsistencySampler:
    """The sampler of ``kind``; "auto" is exact where possible, else Gibbs where the structure allows, else HMC.

    ``split`` takes eta out of the measurement's noise where the sampler can: through a thin SVD, entry by entry, and to first order behind
    a map that is not linear but knows its Jacobian's size.

    Raises :class:`dpnp.UnsupportedError` when "exact" is asked of a model without the structure for it.
    """
    exact = None if kind == "mala" else exact_sampler(model, y, split)
    if exact is not None:
        return exact
    if kind == "exact":
        raise UnsupportedError(f"{type(model).__name__} has no exact consistency sampler; use consistency='auto' or 'mala'")
    gibbs = None if kind == "mala" else blurred_cells(model, y)
    if gibbs is not None:
        return gibbs
    metric = metric_for(model)
    if kind == "mala":
        return MALA(model, y, steps=mala_steps, metric=metric)
    leaps = max(1, min(LEAPS, mala_steps // 2))  # one trajectory to adapt by, one to keep
    chains = HMC(model, y, mala_steps // leaps, metric, leaps)
    return SplitHMC(chains, metric) if split and model.noise.divides and isinstance(metric, DiagonalMetric) else chains
