"""The table, and a picture per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from bench._page import measured_on, table
from bench.faces.tasks import TASKS

SHOWN = 4

COLUMNS = {
    "LPIPS": ("lpips", ".3f"),
    "PSNR": ("psnr", ".2f"),
    "PSNR of the mean": ("psnr_mean", ".2f"),
    "SSIM": ("ssim", ".3f"),
    "CRPS": ("crps", ".4f"),
    "90% coverage": ("coverage_90", ".3f"),
    "denoiser calls": ("denoiser_calls", ".0f"),
    "gradient calls": ("gradient_calls", ".0f"),
    "seconds per sample": ("seconds", ".2f"),
    "step size": ("step_size", ".3g"),
    "diverged": ("diverged", "d"),
}

Cells = Mapping[tuple[str, str], Mapping[str, Any]]
"""(task, method) -> the cell."""


def tables(cells: Cells, device: torch.device) -> str:
    """Markdown, one table per task, with machine and date."""
    clock = "CPU time of one thread" if device.type == "cpu" else "wall clock"
    parts = [measured_on(device), f"Seconds are {clock}.\n"]
    for task in dict.fromkeys(task for task, _ in cells):
        shown = {method: cell for (of, method), cell in cells.items() if of == task}
        counts = next(iter(shown.values()))
        title = f"{TASKS[task].title} ({counts['faces']} faces, {counts['samples']} samples each)"
        rows = [[method, *(_cell(cell, *column) for column in COLUMNS.values())] for method, cell in shown.items()]
        parts.append(table(title, ["method", *COLUMNS], rows))
    return "\n".join(parts)


def _cell(cell: Mapping[str, Any], name: str, style: str) -> str:
    value = cell.get(name)
    return "-" if value is None else format(value, style)


def grid(faces: Tensor, measurements: Sequence[Tensor], samples: Mapping[str, Tensor], path: Path) -> None:
    """A picture: the first faces by rows; truth, measurement, and each method's first sample and mean by columns."""
    columns: dict[str, Sequence[Tensor]] = {"truth": list(faces), "measurement": measurements}
    for method, drawn in samples.items():
        columns |= {f"{method}\nsample": list(drawn[:, 0]), f"{method}\nmean": list(drawn.mean(1))}
    rows = min(SHOWN, len(faces))
    figure = Figure(figsize=(1.3 * len(columns), 1.3 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, len(columns), squeeze=False)
    for j, (title, images) in enumerate(columns.items()):
        panels[0, j].set_title(title, fontsize=8)
        for i in range(rows):
            panels[i, j].set_axis_off()
            if images[i].ndim == 3:
                panels[i, j].imshow(_visible(images[i]), cmap="gray", vmin=0, vmax=1)
    figure.savefig(path, dpi=110)


def _visible(image: Tensor) -> np.ndarray:
    """(C, H, W) in [-1, 1] as (H, W, C) or (H, W) in [0, 1]."""
    return ((image.clamp(-1, 1) + 1) / 2).movedim(0, -1).squeeze(-1).numpy()
