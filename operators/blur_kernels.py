"""The law of random blur kernels: camera motion and anisotropic Gaussians, without limit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SIZE = 33
MOTION_SHARE = 0.7
PATH_POINTS = 96
PATH_REACH = 13.0  # pixels from the centre: the widest line drawn there still ends inside the grid


def gaussian_kernels(n: int, generator: torch.Generator) -> Tensor:
    """(n, 33, 33): anisotropic Gaussians at a uniform angle.

    The wider standard deviation is log-uniform in 0.8 .. 5 pixels; the narrower is it times a uniform number in 0.2 .. 1, at least 0.6.
    """
    u = torch.rand(3, n, 1, 1, generator=generator)
    wide = 0.8 * (5 / 0.8) ** u[0]
    narrow = (wide * (0.2 + 0.8 * u[1])).clamp(min=0.6)
    cos, sin = torch.cos(math.pi * u[2]), torch.sin(math.pi * u[2])
    t = torch.arange(SIZE) - SIZE // 2
    row, column = t[:, None].float(), t[None, :].float()
    along, across = cos * column + sin * row, cos * row - sin * column
    return _normalised(torch.exp(-0.5 * ((along / wide).square() + (across / narrow).square())))


def motion_paths(n: int, generator: torch.Generator) -> Tensor:
    """(n, 96, 2): where the camera points during the exposure, in pixels from the mean position.

    The velocity is a constant in a uniform direction plus a stationary Ornstein-Uhlenbeck process in both axes: a hand that drifts
    and trembles with inertia, as in Boracchi & Foi (2012). Its correlation time is log-uniform in 0.03 .. 1 exposures, its strength
    relative to the constant uniform in 0 .. 2. The path's length is log-uniform in 3 .. 45 pixels, less where the path would
    reach further than 13 pixels from its mean position in an axis.
    """
    correlation = 0.03 * (1 / 0.03) ** torch.rand(n, 1, generator=generator)
    strength = 2 * torch.rand(n, 1, 1, generator=generator)
    length = 3 * (45 / 3) ** torch.rand(n, 1, 1, generator=generator)
    angle = 2 * math.pi * torch.rand(n, 1, generator=generator)
    drift = torch.stack([torch.sin(angle), torch.cos(angle)], dim=-1)
    velocity = drift + strength * _ornstein_uhlenbeck(torch.exp(-1 / (PATH_POINTS * correlation)), generator)
    path = velocity.cumsum(1)
    path = path - path.mean(1, keepdim=True)
    steps = path.diff(dim=1).norm(dim=-1).sum(1)[:, None, None]
    return path * torch.minimum(length / steps, PATH_REACH / path.abs().amax((1, 2), keepdim=True))


def motion_kernels(n: int, generator: torch.Generator) -> Tensor:
    """(n, 33, 33): :func:`motion_paths` drawn at constant exposure with a round Gaussian pen of 0.6 .. 1 pixels (uniform)."""
    path = motion_paths(n, generator)
    pen = 0.6 + 0.4 * torch.rand(n, 1, 1, 1, generator=generator)
    t = (torch.arange(SIZE) - SIZE // 2).float()
    rows, columns = torch.exp(-0.5 * ((t - path[..., None]) / pen).square()).unbind(2)
    return _normalised(rows.mT @ columns)


def random_kernels(n: int, generator: torch.Generator) -> Tensor:
    """(n, 33, 33) blur kernels, non-negative with sum 1, centred on their mean: motion with probability 0.7, else Gaussian."""
    motion = torch.rand(n, generator=generator) < MOTION_SHARE
    both = motion_kernels(n, generator), gaussian_kernels(n, generator)
    return torch.where(motion[:, None, None], *both)


def _ornstein_uhlenbeck(decay: Tensor, generator: torch.Generator) -> Tensor:
    """(n, 96, 2) of unit variance; ``decay`` (n, 1) is the correlation of neighbouring points."""
    noise = torch.randn(PATH_POINTS, len(decay), 2, generator=generator)
    states = [noise[0]]
    for e in noise[1:]:
        states.append(decay * states[-1] + (1 - decay.square()).sqrt() * e)
    return torch.stack(states, dim=1)


def _normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum((1, 2), keepdim=True)
