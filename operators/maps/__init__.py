"""Maps: the noiseless physics."""

from operators.maps.base import Constant, LinearMap, Map, ThinSVD
from operators.maps.bicubic import bicubic_matrix
from operators.maps.dense import DenseMap
from operators.maps.identity import IdentityMap
from operators.maps.separable import SeparableMap

__all__ = ["Constant", "DenseMap", "IdentityMap", "LinearMap", "Map", "SeparableMap", "ThinSVD", "bicubic_matrix"]
