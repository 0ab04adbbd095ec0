"""Noise models: p(y | a), the only place where a likelihood is written."""

from operators.noise.base import NoiseModel, SeparableNoise, variance_left
from operators.noise.cells import CellNoise
from operators.noise.dither import Dither
from operators.noise.gaussian import GaussianNoise
from operators.noise.poisson import PoissonNoise
from operators.noise.quantizer import Quantizer

__all__ = ["CellNoise", "Dither", "GaussianNoise", "NoiseModel", "PoissonNoise", "Quantizer", "SeparableNoise", "variance_left"]
