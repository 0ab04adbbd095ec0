"""Exact consistency draws for linear maps with Gaussian noise: independent Gaussians, no chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dpnp.consistency.base import Draw, Memory
from dpnp.errors import DivergedError
from dpnp.rng import SampleStreams
from operators.maps import LinearMap, ThinSVD
from operators.noise import variance_left

CG_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
CG_MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class SpectralGaussian:
    """N(mean, (I/eta² + A^T A/std²)^-1) through the thin SVD A = U diag(s) V^T.

    A prior draw x_k + eta e is right outside the range of V; inside it, each coefficient is an independent Gaussian with precision
    1/eta² + s²/std², for which the same e is rescaled. With ``split`` std² is, coefficient by coefficient, what (eta s)² leaves of it
    (docs/mathematics.md).
    """

    svd: ThinSVD
    y: Tensor
    std: float
    split: bool = False

    def init(self, n: int) -> Memory:
        """Exact draws remember nothing."""
        return {}

    def draw(self, x_k: Tensor, eta: float, memory: Memory, streams: SampleStreams) -> Draw:
        """One exact draw per image of ``x_k`` (B, C, H, W)."""
        s = self.svd.singular_values.like(x_k)
        e = streams.normal(tuple(x_k.shape[1:]))
        c_k, c_e = self.svd.project(x_k), self.svd.project(e)
        variance = variance_left(self.std**2, (eta * s).square() if self.split else torch.zeros_like(s))
        precision = 1 / eta**2 + s.square() / variance
        mean = (c_k / eta**2 + s * self.svd.project_measurement(self.y[None]) / variance) / precision
        inside = mean + c_e / precision.sqrt()
        return Draw(x_k + eta * e + self.svd.lift(inside - c_k - eta * c_e), memory, {})


@dataclass(frozen=True)
class PerturbAndSolve:
    """The same law for a matrix-free map: solve (I/eta² + A^T A/std²) x = (x_k + eta e1)/eta² + A^T (y + std e2)/std².

    (Papandreou & Yuille 2010.) Conjugate gradients on all images at once, each with its own coefficients, to a relative residual of
    1e-5 in float32 and 1e-10 in float64.
    """

    map: LinearMap
    y: Tensor
    std: float

    def init(self, n: int) -> Memory:
        """Exact draws remember nothing."""
        return {}

    def draw(self, x_k: Tensor, eta: float, memory: Memory, streams: SampleStreams) -> Draw:
        """One draw per image of ``x_k`` (B, C, H, W), exact to the solver's tolerance."""
        e1, e2 = streams.normal(tuple(x_k.shape[1:])), streams.normal(tuple(self.y.shape))
        ratio = (eta / self.std) ** 2
        rhs = x_k + eta * e1 + ratio * self.map.adjoint(self.y + self.std * e2)
        x, iterations = conjugate_gradients(lambda v: v + ratio * self.map.adjoint(self.map(v)), rhs, x_k)
        return Draw(x, memory, {"cg_iterations": torch.full((len(x),), float(iterations), device=x.device, dtype=x.dtype)})


def conjugate_gradients(matvec: Callable[[Tensor], Tensor], rhs: Tensor, start: Tensor) -> tuple[Tensor, int]:
    """Solve ``matvec(x) = rhs`` for every image of the batch, ``matvec`` symmetric positive definite. Returns (x, iterations).

    Raises :class:`dpnp.DivergedError` when the tolerance is not reached in 1000 iterations.
    """

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).flatten(1).sum(1).reshape(-1, 1, 1, 1)

    x = start
    residual = rhs - matvec(x)
    direction, rr = residual, dot(residual, residual)
    goal = CG_TOLERANCE[rhs.dtype] ** 2 * dot(rhs, rhs)
    tiny = torch.finfo(rhs.dtype).tiny
    for iteration in range(CG_MAX_ITERATIONS):
        if bool((rr <= goal).all()):
            return x, iteration
        applied = matvec(direction)
        alpha = rr / dot(direction, applied).clamp_min(tiny)
        x, residual = x + alpha * direction, residual - alpha * applied
        previous, rr = rr, dot(residual, residual)
        direction = residual + rr / previous.clamp_min(tiny) * direction
    tolerance = CG_TOLERANCE[rhs.dtype]
    raise DivergedError(f"conjugate gradients did not reach a relative residual of {tolerance:g} in {CG_MAX_ITERATIONS} iterations")
