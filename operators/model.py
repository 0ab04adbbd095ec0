"""The forward model: a map joined with a noise model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict, TypeAdapter
from torch import Tensor

from operators.errors import MeasurementError, ShapeError
from operators.maps import Map
from operators.noise import NoiseModel
from operators.rng import MEASUREMENT, generator_for
from operators.shapes import ImageShape, Shape, batched

MODEL_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class ForwardModel(ABC):
    """p(y | x). Subclasses are frozen pydantic dataclasses whose fields are the model's parameters.

    A subclass with a ``name`` in ``operators/models/`` is part of the catalogue.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    takes: ClassVar[str] = "a measurement"
    """What a measurement is, for error messages."""
    image_shape: ImageShape

    @property
    @abstractmethod
    def map(self) -> Map:
        """The noiseless physics."""

    @property
    @abstractmethod
    def noise(self) -> NoiseModel:
        """The noise model."""

    @property
    def measurement_shape(self) -> Shape:
        """Shape of one measurement."""
        return self.noise.measurement_shape(self.map.output_shape)

    @property
    def stored_by(self) -> Mapping[str, tuple[str, ...]]:
        """What a measurement's file keeps beside the measurement, such as a random mask, by name: the parameters that choose that array,
        dotted where one is within another; the first of them takes it as rows of numbers.
        """
        return {}

    @property
    def stored(self) -> dict[str, Tensor]:
        """The arrays of ``stored_by``."""
        return {name: self.map.stored[name] for name in self.stored_by}

    @property
    def hidden(self) -> tuple[str, ...]:
        """Names of what the model has unknown beside the image, such as a blur kernel; sampled along with it."""
        return ()

    def given(self, hidden: Mapping[str, Tensor]) -> ForwardModel:
        """The model with its unknowns filled in, one value per image of a batch; itself when it has none."""
        return self

    def with_noise(self, noise: NoiseModel) -> ForwardModel:
        """The same physics seen in another noise."""
        return Joined(self.image_shape, self.map, noise)

    @classmethod
    def read_file(cls, content: bytes, image_shape: ImageShape) -> tuple[Tensor, dict[str, Any]] | None:
        """A measurement and parameters from a kind of file that only this model understands; None for any other file.

        Raises :class:`operators.OperatorError` for a broken file, or one that is not of images of ``image_shape``;
        :class:`operators.FileKindError` for one that cannot hold this model's measurement.
        """
        return None

    def write_file(self, y: Tensor) -> tuple[str, bytes] | None:
        """One measurement as a file that ``read_file`` understands: its suffix and content; None where there is no such kind."""
        return None

    def unpack(self, array: Tensor) -> Tensor:
        """The measurement in a compact form that people keep it in, where the noise model knows one; else ``array`` as it is."""
        return self.noise.unpack(array, self.measurement_shape)

    def simulate(self, x: Tensor, seed: int) -> Tensor:
        """A measurement of ``x`` ((C, H, W) or (B, C, H, W), [-1, 1] scale); image i's noise depends on (seed, i) alone.

        Raises :class:`operators.ShapeError` when ``x`` is not of ``image_shape``.
        """
        images = batched(x, self.image_shape, "an image")
        with torch.no_grad():
            clean = self.map(self.noise.widened(images))
            y = torch.stack([self.noise.sample(a, generator_for(seed, MEASUREMENT, i)) for i, a in enumerate(clean)])
        return (y if x.ndim == images.ndim else y[0]).to(x.dtype)

    def log_likelihood(self, x: Tensor, y: Tensor) -> Tensor:
        """log p(y | x) with its normalising constant, (B,); ``y`` is one measurement or one per image.

        Differentiable in ``x``. Raises :class:`operators.ShapeError` when a shape does not fit.
        """
        images = batched(x, self.image_shape, "an image")
        return self.noise.log_prob(batched(y, self.measurement_shape, "a measurement"), self.map(images))

    def log_likelihood_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """``log_likelihood`` (B,) and its gradient with respect to ``x`` (B, C, H, W), by the physics' own adjoint where it has one.

        What HMC and MALA go by: a model with another ``log_likelihood`` has another one of these too.

        Raises :class:`operators.ShapeError` when a shape does not fit.
        """
        images = batched(x, self.image_shape, "an image")
        clean, pull_back = self.map.linearized(images)
        value, gradient = self.noise.log_prob_and_gradient(batched(y, self.measurement_shape, "a measurement"), clean)
        return value, pull_back(gradient)

    def residual(self, x: Tensor, y: Tensor) -> Tensor:
        """Root mean square of the measurement's standardised residuals, (B,): about 1 where ``x`` explains ``y``."""
        images = batched(x, self.image_shape, "an image")
        return self.noise.misfit(batched(y, self.measurement_shape, "a measurement"), self.map(images))

    def check_measurement(self, y: Tensor) -> None:
        """Raise :class:`operators.ShapeError` or :class:`operators.MeasurementError` unless ``y`` is one possible measurement."""
        if tuple(y.shape) != tuple(self.measurement_shape):
            expected = f"{tuple(self.measurement_shape)} (of images {tuple(self.image_shape)})"
            raise ShapeError(f"expected {self.takes} of shape {expected}, got {tuple(y.shape)}")
        bad = int((~torch.isfinite(y)).sum())
        if bad:
            raise MeasurementError(f"expected finite numbers in the measurement, got {bad} of {y.numel()} that are NaN or infinite")
        self.noise.check(y)

    def parameters(self) -> dict[str, Any]:
        """The parameters as JSON, without ``image_shape``: what :func:`operators.build` takes."""
        values = TypeAdapter(type(self)).dump_python(self, mode="json")
        return {key: value for key, value in values.items() if key != "image_shape"}


class Joined(ForwardModel):
    """A map and a noise model as they are."""

    def __init__(self, image_shape: ImageShape, map: Map, noise: NoiseModel) -> None:
        self.image_shape, self._map, self._noise = image_shape, map, noise

    @property
    def map(self) -> Map:
        """As given."""
        return self._map

    @property
    def noise(self) -> NoiseModel:
        """As given."""
        return self._noise
