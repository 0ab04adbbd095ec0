"""Exact draws from one-dimensional log-concave laws, many at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpnp.errors import DivergedError
from dpnp.rng import SampleStreams
from operators.noise import SeparableNoise

EXPANSIONS, BISECTIONS = 60, 24
SLACK = 0.1  # of the mode's bound, in log density: entries whose mode is known this well are left alone
DROP = (0.4, 2.5)  # how far below the mode, in log density, the envelope's tangents touch
MAX_ROUNDS = 1000


@dataclass(frozen=True)
class Target:
    """f(v) = log p(y | v) - (v - mean)²/(2 std²), concave, entry by entry."""

    noise: SeparableNoise
    y: Tensor
    mean: Tensor
    std: float

    def value(self, v: Tensor) -> Tensor:
        """f(v), the shape of ``v``."""
        return self.noise.log_prob_entries(self.y, v) - 0.5 * ((v - self.mean) / self.std).square()

    def slope(self, v: Tensor) -> Tensor:
        """f'(v)."""
        with torch.enable_grad():
            leaf = v.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(self.value(leaf).sum(), leaf)
        return slope

    def mode(self) -> tuple[Tensor, Tensor]:
        """A point before the mode, and an upper bound of f: the tangent there, followed to a point beyond the mode.

        Every entry stops on its own, as soon as the bound is less than SLACK above f at that point: none depends on the others.
        """
        steep = self.slope(self.mean)
        direction = steep.sign()
        near, far = self.mean, self.mean + self.std * direction
        for _ in range(EXPANSIONS):
            slope = self.slope(far)
            beyond = slope * direction <= 0
            if bool(beyond.all()):
                break
            steep, near = torch.where(beyond, steep, slope), torch.where(beyond, near, far)
            far = torch.where(beyond, far, far + 2 * (far - self.mean))
        for _ in range(BISECTIONS):
            loose = steep * (far - near) > SLACK
            if not bool(loose.any()):
                break
            middle = (near + far) / 2
            slope = self.slope(middle)
            beyond = slope * direction <= 0
            far, before = torch.where(loose & beyond, middle, far), loose & ~beyond
            steep, near = torch.where(before, slope, steep), torch.where(before, middle, near)
        return near, self.value(near) + steep * (far - near)


@dataclass(frozen=True)
class Envelope:
    """exp(min(top, the tangents at ``left`` and ``right`` of the mode)): flat in the middle, exponential on both sides (Devroye 1986)."""

    top: Tensor
    left: Tensor
    right: Tensor
    rate_left: Tensor
    rate_right: Tensor

    @classmethod
    def around_mode(cls, target: Target) -> Envelope:
        """Tangents where f has dropped by about one: half of the proposals or more are then accepted, whatever f is."""
        near, top = target.mode()
        sides = [_touch(target, near, top, sign) for sign in (-1, 1)]
        slopes = [target.slope(t) for t in sides]
        corners = [t + (top - target.value(t)) / s for t, s in zip(sides, slopes, strict=True)]
        return cls(top, corners[0], corners[1], slopes[0], -slopes[1])

    def log_density(self, v: Tensor) -> Tensor:
        """The envelope at ``v``."""
        below = self.rate_left * (v - self.left).clamp_max(0) - self.rate_right * (v - self.right).clamp_min(0)
        return self.top + below

    def propose(self, u: Tensor, e: Tensor) -> Tensor:
        """Draws from the envelope, from uniform numbers ``u`` that choose the part and ``e`` that place within it."""
        tail_left, middle, tail_right = 1 / self.rate_left, self.right - self.left, 1 / self.rate_right
        u = u * (tail_left + middle + tail_right)
        depth = -e.clamp_min(torch.finfo(e.dtype).tiny).log()
        outside = torch.where(u < tail_left, self.left - depth * tail_left, self.right + depth * tail_right)
        return torch.where((u >= tail_left) & (u < tail_left + middle), self.left + e * middle, outside)


def _touch(target: Target, mode: Tensor, top: Tensor, sign: int) -> Tensor:
    """A point on one side of the mode where f has dropped by 0.4 to 2.5."""
    low, high = torch.zeros_like(mode), torch.full_like(mode, torch.inf)
    reach = torch.full_like(mode, target.std)
    for _ in range(EXPANSIONS):
        drop = top - target.value(mode + sign * reach)
        if bool(((drop >= DROP[0]) & (drop <= DROP[1])).all()):
            break
        low, high = torch.where(drop < DROP[0], reach, low), torch.where(drop > DROP[1], reach, high)
        better = torch.where(torch.isinf(high), 2 * reach, (low + high) / 2)
        reach = torch.where((drop < DROP[0]) | (drop > DROP[1]), better, reach)
    return mode + sign * reach


@dataclass(frozen=True)
class LogConcave:
    """Rejection under a three-piece envelope for noise that is log-concave in the clean value: exact draws of N(mean, std²) p(y | v)."""

    noise: SeparableNoise

    def without(self, std: float) -> LogConcave:
        """For the noise without a Gaussian part of ``std``."""
        return LogConcave(self.noise.without(std))

    def draw(self, y: Tensor, mean: Tensor, std: float, streams: SampleStreams) -> Tensor:
        """One draw per entry of ``mean`` (B, ...). Raises :class:`dpnp.DivergedError` when an entry is never accepted."""
        target = Target(self.noise, y, mean, std)
        envelope = Envelope.around_mode(target)
        fork, shape = streams.fork(), tuple(mean.shape[1:])
        v, waiting = mean, torch.ones_like(mean, dtype=torch.bool)
        for _ in range(MAX_ROUNDS):
            proposal = envelope.propose(fork.uniform(shape), fork.uniform(shape))
            accept = waiting & (fork.uniform(shape).log() < target.value(proposal) - envelope.log_density(proposal))
            v, waiting = torch.where(accept, proposal, v), waiting & ~accept
            if not bool(waiting.any()):
                return v
        raise DivergedError(f"{int(waiting.sum())} entries of a consistency draw were not accepted in {MAX_ROUNDS} rounds")
