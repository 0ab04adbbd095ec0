"""What a JPEG file knows of its image: integer DCT coefficients and the tables that they were divided by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Component:
    """One colour component: Y, Cb or Cr.

    ``coefficients`` (blocks down, blocks across, 8, 8), int32, indexed by vertical, then horizontal frequency, in units of
    ``quantisation`` (8, 8), int32: the encoder's orthonormal 8x8 DCT of the level-shifted block (grey levels minus 128) lay within half
    a unit. ``sampling`` is (across, down), the component's samples per unit in each direction, as the file gives them; (1, 1) for grey.
    """

    coefficients: NDArray[np.int32]
    quantisation: NDArray[np.int32]
    sampling: tuple[int, int]


@dataclass(frozen=True)
class JPEGCoefficients:
    """A JPEG file's own numbers: one component (grey) or three (Y, Cb, Cr) of an image of ``height`` x ``width`` pixels.

    Where 8 times the subsampling does not divide the sides, blocks reach beyond the image; what they hold there is the encoder's choice.
    """

    components: tuple[Component, ...]
    height: int
    width: int
