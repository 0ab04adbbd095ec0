"""One picture that tells the demonstration: truth, measurement, posterior mean and spread, samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLUMNS = 4


def save_overview(
    path: Path, *, truth: np.ndarray, measurement: np.ndarray, mean: np.ndarray, std: np.ndarray, samples: np.ndarray
) -> None:
    """Write the grid: truth, measurement, mean and standard deviation above, samples below. All (C, H, W), in [-1, 1] scale."""
    rows = 1 + -(-len(samples) // COLUMNS)
    figure = Figure(figsize=(2.3 * COLUMNS, 2.45 * rows), dpi=110, layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    height, width = measurement.shape[1:]
    _show(axes[0], truth, "truth")
    _show(axes[1], measurement, f"measurement, {height} x {width}")
    _show(axes[2], mean, "posterior mean")
    spread = axes[3].imshow(np.sqrt(np.square(std).mean(0)), cmap="magma", vmin=0, interpolation="nearest")
    axes[3].set_title("standard deviation", fontsize=10)
    figure.colorbar(spread, ax=axes[3], fraction=0.046, pad=0.03).ax.tick_params(labelsize=7)
    for i, image in enumerate(samples):
        _show(axes[COLUMNS + i], image, f"sample {i + 1}")
    figure.savefig(path)


def _show(axes: Axes, image: np.ndarray, title: str) -> None:
    levels = (np.clip(image, -1, 1) + 1) / 2
    axes.imshow(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=10)
