"""A linear physics object of ``deepinv`` with a noise model; in Python only, since its parameter is an object."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any

import torch
from pydantic import AfterValidator
from pydantic.dataclasses import dataclass
from torch import Tensor

from operators.errors import PhysicsError
from operators.maps import AffineMap, Map, PhysicsMap
from operators.model import MODEL_CONFIG, ForwardModel
from operators.noise import GaussianNoise, NoiseModel
from operators.shapes import ImageShape


def _increasing(ends: tuple[float, float]) -> tuple[float, float]:
    if not (math.isfinite(ends[0]) and math.isfinite(ends[1]) and ends[0] < ends[1]):
        raise ValueError(f"expected (low, high), finite numbers with low < high, got {ends}")
    return ends


Range = Annotated[tuple[float, float], AfterValidator(_increasing)]
SCALE = (-1.0, 1.0)


def _centre_and_gain(ends: tuple[float, float]) -> tuple[float, float]:
    """The affine map of [-1, 1] to ``ends``, as v -> centre + gain v."""
    low, high = ends
    return (low + high) / 2, (high - low) / 2


@dataclass(frozen=True, config=MODEL_CONFIG)
class DeepInv(ForwardModel):
    """y ~ p(. | A u), A that of a ``deepinv.physics.LinearPhysics``, u the image in the physics' own range of values.

    ``value_range`` (low, high): what -1 (black) and +1 (white) are in the physics' images, (0, 1) in most of deepinv's examples. So
    u = (low + high)/2 + x (high - low)/2, and a(x) = A u is affine. ``y`` is what ``physics(u)`` gives, in its own units.

    ``noise_model`` is one of ``operators.noise``; when it is left out, ``physics.noise_model`` must be deepinv's GaussianNoise, which is
    taken over. One of the two describes the noise, never both. The standard deviation of Gaussian noise is in y's units, as deepinv's
    sigma: with ``value_range`` (0, 1) it is half of what it would be in [-1, 1] scale. Other noise models have a meaning for -1 and +1, so
    they need ``measurement_range``: the values of A u that they take for -1 and +1, such as (0, 1).

    The object is copied. Raises :class:`operators.PhysicsError` for a physics that does not take images of ``image_shape``, is not linear,
    whose ``A_adjoint`` is not the adjoint, or whose noise or sensor model is not taken over.
    """

    physics: torch.nn.Module
    image_shape: ImageShape
    value_range: Range
    noise_model: NoiseModel | None = None
    measurement_range: Range | None = None

    def __post_init__(self) -> None:
        _, noise = self.map, self.noise
        if not 0 < noise.scale < math.inf:
            raise PhysicsError(f"expected a noise level above 0, got {noise}")
        if not isinstance(noise, GaussianNoise) and self.measurement_range is None:
            values = f"the values of A u that {type(noise).__name__} takes for -1 (black) and +1 (white)"
            raise PhysicsError(f"expected measurement_range=(low, high), {values}")
        if isinstance(noise, GaussianNoise) and self.measurement_range is not None:
            raise PhysicsError("expected no measurement_range with Gaussian noise, whose measurement and std are in the physics' own units")

    @cached_property
    def map(self) -> Map:
        """A u as a function of x; brought from ``measurement_range`` to [-1, 1] where that is given."""
        (centre, gain), (middle, unit) = (_centre_and_gain(ends or SCALE) for ends in (self.value_range, self.measurement_range))
        linear = PhysicsMap(self.physics, self.image_shape, gain / unit)
        grey = torch.full((1, *self.image_shape), centre / gain, dtype=torch.float64, device=linear.device)
        with torch.no_grad():
            offset = linear(grey)[0] - middle / unit
        return AffineMap(linear, offset) if offset.any() else linear

    @cached_property
    def noise(self) -> NoiseModel:
        """``noise_model``, or the physics' own."""
        ours, theirs = self.noise_model, _gaussian_std(self.physics)
        if ours is not None and theirs is not None:
            ways = "leave noise_model out, or set physics.noise_model = deepinv.physics.ZeroNoise()"
            raise PhysicsError(f"expected noise in one place, got noise_model and a physics with GaussianNoise(sigma={theirs:g}): {ways}")
        if ours is not None:
            return ours
        if theirs is not None:
            return GaussianNoise(theirs)
        raise PhysicsError("expected a noise_model, such as operators.noise.GaussianNoise(0.05), for a physics without noise of its own")

    def to_physics(self, x: Tensor) -> Tensor:
        """Images in [-1, 1], such as the posterior's, in the physics' range."""
        centre, gain = _centre_and_gain(self.value_range)
        return centre + gain * x

    def from_physics(self, u: Tensor) -> Tensor:
        """The inverse of :meth:`to_physics`."""
        centre, gain = _centre_and_gain(self.value_range)
        return (u - centre) / gain

    def parameters(self) -> dict[str, Any]:
        raise PhysicsError("a DeepInv model holds a Python object and has no parameters as JSON")


def _gaussian_std(physics: torch.nn.Module) -> float | None:
    """The sigma of the physics' Gaussian noise, None without noise. Raises :class:`PhysicsError` for any other noise."""
    theirs = getattr(physics, "noise_model", None)
    if theirs is None:
        return None
    from deepinv.physics import GaussianNoise as TheirGaussian
    from deepinv.physics import ZeroNoise

    if isinstance(theirs, ZeroNoise):
        return None
    if not isinstance(theirs, TheirGaussian):
        ways = "give a noise_model and set physics.noise_model = deepinv.physics.ZeroNoise()"
        raise PhysicsError(f"expected a physics with Gaussian noise or none, got {type(theirs).__name__}, which is not taken over: {ways}")
    sigma = theirs.sigma.detach()
    if sigma.numel() != 1 or not 0 < sigma.item() < math.inf:
        raise PhysicsError(f"expected GaussianNoise with one sigma > 0, got {sigma.flatten().tolist()}")
    return float(sigma.item())
