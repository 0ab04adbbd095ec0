"""Noise models: p(y | a), the only place where a likelihood is written."""

from operators.noise.base import NoiseModel
from operators.noise.gaussian import GaussianNoise

__all__ = ["GaussianNoise", "NoiseModel"]
