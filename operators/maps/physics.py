"""A linear physics object of ``deepinv`` as a map."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property, reduce
from itertools import chain
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from operators.errors import PhysicsError
from operators.maps.base import LinearMap
from operators.rng import PROBE, generator_for
from operators.shapes import ImageShape, Shape

PROBES = 4
TOLERANCE = 1e-3
"""Of linearity and of the adjoint, relative: above the rounding of a float32 physics on any device, below what moves a posterior."""
POWER_ITERATIONS = 30


@runtime_checkable
class LinearPhysics(Protocol):
    """What is asked of a physics: ``deepinv.physics.LinearPhysics`` has it. Images and measurements have a batch axis."""

    def A(self, x: Tensor) -> Tensor:
        """The noiseless measurements of images."""
        ...

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint on measurements."""
        ...


class PhysicsMap(LinearMap):
    """a(x) = ``gain`` A x for the A of ``physics``: an ``nn.Module`` that is a :class:`LinearPhysics`, with one real tensor as measurement.

    The map keeps a copy, so that later changes of ``physics`` have no effect. The copy computes in its own precision
    (``physics.double()`` for double), whatever that of the images, on the images' device.

    Raises :class:`operators.PhysicsError` when four random images and measurements show that A does not take images of ``image_shape``,
    is not linear, mixes the images of a batch, has a sensor model behind it, or that ``A_adjoint`` is not its adjoint.
    """

    def __init__(self, physics: object, image_shape: ImageShape, gain: float = 1.0) -> None:
        self.name = type(physics).__name__
        if not (isinstance(physics, nn.Module) and isinstance(physics, LinearPhysics)):
            raise PhysicsError(f"expected a linear physics (deepinv's LinearPhysics, a module with A and A_adjoint), got {self.name}")
        self.image_shape = image_shape
        self._gain = gain
        self._dtype, device = _precision_and_device(physics)
        self._copies = {device: copy.deepcopy(physics).requires_grad_(False)}
        x = torch.randn((PROBES, *image_shape), generator=generator_for(0, PROBE)).to(device, self._dtype)
        self.output_shape = self._find_output_shape(x)
        self._check(x)

    @property
    def device(self) -> torch.device:
        """Where the physics was."""
        return next(iter(self._copies))

    def __call__(self, x: Tensor) -> Tensor:
        return self._gain * self._physics(x).A(x.to(self._dtype)).to(x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self._gain * self._physics(y).A_adjoint(y.to(self._dtype)).to(y)

    def largest_singular_value(self) -> float:
        return self._largest_singular_value

    @cached_property
    def _largest_singular_value(self) -> float:
        """By 30 power iterations on A^T A: from below, to a few per cent."""
        x = torch.randn((1, *self.image_shape), generator=generator_for(1, PROBE)).to(self.device, self._dtype)
        with torch.no_grad():
            for _ in range(POWER_ITERATIONS):
                x = self.adjoint(self(x / x.norm().clamp_min(torch.finfo(x.dtype).tiny)))
        return x.norm().sqrt().item()

    def _physics(self, x: Tensor) -> LinearPhysics:
        """The copy on ``x``'s device."""
        if x.device not in self._copies:
            self._copies[x.device] = copy.deepcopy(self._copies[self.device]).to(x.device)
        return self._copies[x.device]

    def _find_output_shape(self, x: Tensor) -> Shape:
        y = self._tried("A", self._physics(x).A, x)
        if not isinstance(y, Tensor) or not y.is_floating_point():
            got = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
            raise PhysicsError(f"expected {self.name}.A to give one real tensor, got {got}")
        if len(y) != len(x):
            raise PhysicsError(f"expected {self.name}.A to give one measurement per image, got {len(y)} of {len(x)} images")
        return tuple(y.shape[1:])

    def _check(self, x: Tensor) -> None:
        y = torch.randn((PROBES, *self.output_shape), generator=generator_for(2, PROBE)).to(x)
        forward, back = self._physics(x).A, self._tried("A_adjoint", self._physics(x).A_adjoint, y)
        if back.shape != x.shape or not back.is_floating_point():
            raise PhysicsError(f"expected {self.name}.A_adjoint to give real images {tuple(x.shape)}, got {tuple(back.shape)} {back.dtype}")
        with torch.no_grad():
            clean, mixed, alone = forward(x), forward(2 * x[:1] - 3 * x[1:2]), torch.cat([forward(image) for image in x.split(1)])
        if not _near(alone, clean):
            raise PhysicsError(f"expected {self.name}.A to treat each image of a batch by itself, but a batch gives other measurements")
        if not _near(mixed, 2 * clean[:1] - 3 * clean[1:2]):
            raise PhysicsError(f"expected a linear physics, but {self.name}.A(2 x - 3 z) is not 2 A(x) - 3 A(z)")
        sensor = getattr(self._physics(x), "sensor_model", None)
        if sensor is not None and not torch.equal(sensor(clean), clean):
            raise PhysicsError(f"expected a linear physics, but {self.name} has a sensor_model that changes A x")
        seen, sent = _inner(clean, y), _inner(x, back)
        if not _near(sent, seen):
            raise PhysicsError(
                f"expected {self.name}.A_adjoint to be the adjoint of A, got <x, A_adjoint y> = {sent[0]:.6g} and <A x, y> = {seen[0]:.6g}"
                " for random x and y (some physics of deepinv have an exact adjoint by option only: Tomography's adjoint_via_backprop=True)"
            )

    def _tried(self, what: str, function: Callable[[Tensor], Tensor], argument: Tensor) -> Tensor:
        try:
            with torch.no_grad():
                return function(argument)
        except Exception as error:  # foreign code may raise anything for images that it does not take
            problem = f"{self.name}.{what} failed on {tuple(argument.shape)}, of images {tuple(self.image_shape)}"
            raise PhysicsError(f"{problem}: {type(error).__name__}: {error}") from error


def _precision_and_device(physics: nn.Module) -> tuple[torch.dtype, torch.device]:
    """The widest precision of a module's tensors, and the first one's device; float32 on the CPU when it has none."""
    tensors = [t for t in chain(physics.parameters(), physics.buffers()) if t.is_floating_point()] or [torch.zeros(())]
    return reduce(torch.promote_types, (t.dtype for t in tensors)), tensors[0].device


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """One inner product per image, in double precision."""
    return (a.double() * b.double()).flatten(1).sum(1)


def _near(value: Tensor, expected: Tensor) -> bool:
    return value.shape == expected.shape and bool((value - expected).norm() <= TOLERANCE * expected.norm())
