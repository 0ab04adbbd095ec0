"""What the gradient-based consistency samplers share: a point with its gradient, and Metropolis steps between points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpnp.rng import SampleStreams
from operators import ForwardModel


@dataclass(frozen=True)
class Point:
    """A state of the chains: images, log-likelihoods (B,) and their gradients."""

    x: Tensor
    log_likelihood: Tensor
    gradient: Tensor


def evaluate(model: ForwardModel, y: Tensor, x: Tensor) -> Point:
    """Log-likelihood and gradient at ``x`` (B, C, H, W)."""
    with torch.no_grad():
        return Point(x, *model.log_likelihood_and_gradient(x, y))


def signed(x: Tensor, x_k: Tensor, eta: float, streams: SampleStreams) -> Tensor:
    """x or -x, which are equally likely but not equally near to ``x_k``: drawn by their probabilities."""
    toward = (x * x_k).flatten(1).sum(1)
    return torch.where((streams.uniform() < torch.sigmoid(2 * toward / eta**2)).reshape(-1, 1, 1, 1), x, -x)


def squares(x: Tensor) -> Tensor:
    """|x|² of each image of ``x`` (B, ...): (B,)."""
    return x.square().flatten(1).sum(1)


def select(accept: Tensor, new: Point, old: Point) -> Point:
    """``new`` where ``accept`` (B,), else ``old``."""
    wide = accept.reshape(-1, 1, 1, 1)
    return Point(
        torch.where(wide, new.x, old.x),
        torch.where(accept, new.log_likelihood, old.log_likelihood),
        torch.where(wide, new.gradient, old.gradient),
    )
