"""How much coarser than Y a colour file keeps Cb and Cr."""

from __future__ import annotations

from typing import Literal, get_args

from operators.jpeg.coefficients import JPEGCoefficients
from operators.jpeg.errors import UnsupportedJPEGError

Subsampling = Literal["4:4:4", "4:2:2", "4:4:0", "4:2:0"]
FACTORS: dict[Subsampling, tuple[int, int]] = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:4:0": (1, 2), "4:2:0": (2, 2)}
"""Pixels (across, down) for one number of Cb, and one of Cr."""


def subsampling_of(jpeg: JPEGCoefficients) -> Subsampling:
    """A file's subsampling, 4:4:4 for a grey one. Raises :class:`UnsupportedJPEGError` for another than the four."""
    luma, *chroma = (c.sampling for c in jpeg.components)
    for name, (across, down) in FACTORS.items():
        if all(luma == (across * c[0], down * c[1]) for c in chroma):
            return name
    known = ", ".join(get_args(Subsampling))
    raise UnsupportedJPEGError(f"expected chroma subsampled as {known}, got sampling factors (across, down) {[luma, *chroma]} of Y, Cb, Cr")
