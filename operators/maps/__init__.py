"""Maps: the noiseless physics."""

from operators.maps.affine import AffineMap, without_offset
from operators.maps.base import Constant, LinearMap, Map, Planes, ThinSVD
from operators.maps.bicubic import bicubic_matrix
from operators.maps.block_dct import BlockDCT
from operators.maps.blur import BlurMap
from operators.maps.colour_dct import ColourBlockDCT
from operators.maps.dense import DenseMap
from operators.maps.fourier import FourierMagnitude
from operators.maps.identity import IdentityMap
from operators.maps.mask import MaskMap
from operators.maps.physics import PhysicsMap
from operators.maps.separable import SeparableMap

__all__ = [
    "AffineMap",
    "BlockDCT",
    "BlurMap",
    "ColourBlockDCT",
    "Constant",
    "DenseMap",
    "FourierMagnitude",
    "IdentityMap",
    "LinearMap",
    "Map",
    "MaskMap",
    "PhysicsMap",
    "Planes",
    "SeparableMap",
    "ThinSVD",
    "bicubic_matrix",
    "without_offset",
]
