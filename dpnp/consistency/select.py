"""Which consistency sampler a forward model gets: decided by the structure it declares."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from dpnp.consistency.base import ConsistencySampler
from dpnp.consistency.exact import PerturbAndSolve, SpectralGaussian
from dpnp.consistency.mala import MALA
from dpnp.errors import UnsupportedError
from operators import ForwardModel
from operators.maps import LinearMap
from operators.noise import GaussianNoise

Consistency = Literal["auto", "exact", "mala"]


def exact_sampler(model: ForwardModel, y: Tensor) -> ConsistencySampler | None:
    """An exact sampler where the structure allows one, else None."""
    if not (isinstance(model.map, LinearMap) and isinstance(model.noise, GaussianNoise)):
        return None
    svd = model.map.svd()
    return PerturbAndSolve(model.map, y, model.noise.std) if svd is None else SpectralGaussian(svd, y, model.noise.std)


def consistency_sampler(model: ForwardModel, y: Tensor, kind: Consistency, mala_steps: int) -> ConsistencySampler:
    """The sampler of ``kind``; "auto" is exact where possible, else MALA.

    Raises :class:`dpnp.UnsupportedError` when "exact" is asked of a model without the structure for it.
    """
    exact = None if kind == "mala" else exact_sampler(model, y)
    if exact is not None:
        return exact
    if kind == "exact":
        raise UnsupportedError(f"{type(model).__name__} has no exact consistency sampler; use consistency='auto' or 'mala'")
    return MALA(model, y, steps=mala_steps)
