"""The quantisation tables of a quality setting, as nearly every encoder makes them (ITU-T T.81, annex K.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LUMA = """
    16  11  10  16  24  40  51  61
    12  12  14  19  26  58  60  55
    14  13  16  24  40  57  69  56
    14  17  22  29  51  87  80  62
    18  22  37  56  68 109 103  77
    24  35  55  64  81 104 113  92
    49  64  78  87 103 121 120 101
    72  92  95  98 112 100 103  99
"""
_CHROMA_CORNER = np.array([[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]])


def standard_tables(quality: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The (8, 8) tables of luma and chroma at ``quality`` 1 .. 100: annex K's, scaled by libjpeg's rule. Raises ``ValueError``."""
    if not 1 <= quality <= 100:
        raise ValueError(f"expected a quality from 1 to 100, got {quality}")
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    luma = np.array(_LUMA.split(), dtype=int).reshape(8, 8)
    chroma = np.pad(_CHROMA_CORNER, (0, 4), constant_values=99)
    scaled = [np.clip((table * percent + 50) // 100, 1, 255).astype(np.int32) for table in (luma, chroma)]
    return scaled[0], scaled[1]
