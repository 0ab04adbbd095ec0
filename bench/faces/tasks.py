"""The forward models of the table, in the paper's settings (Xu & Chi 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import operators
from operators import ForwardModel
from operators.shapes import ImageShape


@dataclass(frozen=True)
class Task:
    """A forward model of the catalogue and its parameters."""

    title: str
    operator: str
    parameters: Mapping[str, float | str]

    def model(self, image_shape: ImageShape) -> ForwardModel:
        """The forward model for these images."""
        return operators.build(self.operator, dict(self.parameters), image_shape)


TASKS = {
    "super_resolution": Task("4x super-resolution, noise 0.2", "super_resolution", {"factor": 4, "noise_std": 0.2}),
    "phase_retrieval": Task("coded phase retrieval, 2x per axis, noise 0.2", "phase_retrieval", {"oversampling": 2, "noise_std": 0.2}),
    "quantization": Task("one bit per pixel, logistic dither 0.4", "quantization", {"tau": 0.4, "dither": "logistic"}),
    "blind_deblur_jpeg": Task("blind blur (motion or Gaussian) and JPEG, quality 50", "blind_deblur_jpeg", {"quality": 50}),
}
