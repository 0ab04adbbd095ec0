"""Images in [-1, 1] as 8-bit PNG files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

GAP = 2  # pixels between the samples of a grid


def to_bytes(image: np.ndarray) -> np.ndarray:
    """(C, H, W) in [-1, 1] as uint8 (H, W) or (H, W, 3); values outside are clipped. Raises ``ValueError`` for NaN."""
    if not np.isfinite(image).all():
        raise ValueError("an image with NaN or infinity cannot be shown")
    levels = np.rint((np.clip(image, -1, 1) + 1) * 127.5).astype(np.uint8)
    return levels[0] if levels.shape[0] == 1 else levels.transpose(1, 2, 0)


def save_image(image: np.ndarray, path: Path) -> None:
    """Write (C, H, W) in [-1, 1] as PNG."""
    Image.fromarray(np.ascontiguousarray(to_bytes(image))).save(path)


def is_image(array: np.ndarray) -> bool:
    """Whether an array can be shown: (1 or 3, H, W), not degenerate."""
    return array.ndim == 3 and array.shape[0] in (1, 3) and min(array.shape[1:]) > 1


def save_preview(measurement: np.ndarray, path: Path) -> None:
    """Write an image-like measurement as PNG: on the [-1, 1] scale where it about fits, else from its least to its largest value."""
    low, high = float(measurement.min()), float(measurement.max())
    in_scale = -3 <= low < 0 and high <= 3
    spread = (high - low) or 1.0
    save_image(measurement if in_scale else (measurement - low) / spread * 2 - 1, path)


def grid(images: np.ndarray) -> np.ndarray:
    """(n, C, H, W) as one image (C, rows, columns) on white."""
    n, c, h, w = images.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    canvas = np.ones((c, rows * (h + GAP) - GAP, columns * (w + GAP) - GAP), dtype=images.dtype)
    for i, image in enumerate(images):
        top, left = (i // columns) * (h + GAP), (i % columns) * (w + GAP)
        canvas[:, top : top + h, left : left + w] = image
    return canvas


def save_std(std: np.ndarray, file: Path | BinaryIO) -> None:
    """Write the standard deviation (C, H, W) with a colour bar, in [-1, 1] scale; colour channels by their root mean square."""
    values = np.sqrt(np.square(std, dtype=np.float64).mean(0))
    figure = Figure(figsize=(4.2, 3.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(values, cmap="magma", vmin=0, vmax=max(float(values.max()), 1e-6), interpolation="nearest")
    axes.set_axis_off()
    figure.colorbar(shown, ax=axes, label="standard deviation, [-1, 1] scale")
    figure.savefig(file, format="png")
