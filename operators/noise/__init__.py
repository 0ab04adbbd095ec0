"""Noise models: p(y | a), the only place where a likelihood is written."""

from operators.noise.base import NoiseModel, SeparableNoise
from operators.noise.gaussian import GaussianNoise
from operators.noise.one_bit import Dither, OneBit

__all__ = ["Dither", "GaussianNoise", "NoiseModel", "OneBit", "SeparableNoise"]
