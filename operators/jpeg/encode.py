"""JPEG's lossy part without its rounding errors: exact transforms, tables of a quality, integer coefficients."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor
from torch.nn.functional import pad

from operators.jpeg.cells import CoefficientScale, transform_for
from operators.jpeg.coefficients import Component, JPEGCoefficients
from operators.jpeg.quality import standard_tables
from operators.maps.block_dct import BLOCK


def encode(image: Tensor, quality: int, subsampling: tuple[int, int] = (1, 1)) -> JPEGCoefficients:
    """What a JPEG encoder keeps of ``image``, (1, H, W) or (3, H, W) in [-1, 1] scale, which is neither rounded nor clipped to 8 bits.

    ``quality`` 1 .. 100 picks annex K's tables; ``subsampling`` of chroma is (across, down), nothing for grey. Images that whole blocks do
    not fit are continued with their last row and column. Raises ``ValueError`` for another quality.
    """
    channels, height, width = image.shape
    across, down = subsampling if channels == 3 else (1, 1)
    luma, chroma = standard_tables(quality)
    tables = [luma, chroma, chroma][:channels]
    more = (-width % (BLOCK * across), -height % (BLOCK * down))
    whole = pad(image.double()[None], (0, more[0], 0, more[1]), mode="replicate")
    transform = transform_for((channels, whole.shape[2], whole.shape[3]), (across, down))
    coefficients = transform.components(CoefficientScale.of(transform, tables).rounded(transform(whole)))
    samplings = [(across, down), (1, 1), (1, 1)][:channels]
    components = []
    for c, table, (h, v) in zip(coefficients, tables, samplings, strict=True):
        rows, columns = math.ceil(math.ceil(height * v / down) / BLOCK), math.ceil(math.ceil(width * h / across) / BLOCK)
        components.append(Component(c[0, :rows, :columns].numpy().astype(np.int32), table, (h, v)))
    return JPEGCoefficients(tuple(components), height, width)
