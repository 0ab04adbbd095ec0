"""The table and the plot of the posterior benchmark."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path
from typing import Any

import torch

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def write(results: dict[str, Any], folder: Path) -> None:
    """Put the tables between the markers of ``folder/README.md`` (made when absent) and draw ``distance.png``."""
    page = folder / "README.md"
    text = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    head, tail = text[: text.index(BEGIN)], text[text.index(END) :]
    page.write_text(head + BEGIN + "\n" + tables(results) + tail)
    _plot(results["distance"], folder / "distance.png")


def tables(results: dict[str, Any]) -> str:
    """Markdown of all results, with machine and date."""
    cores = os.cpu_count()
    machine = f"{platform.machine()} CPU, {cores} cores, torch {torch.__version__}, {torch.get_num_threads()} threads"
    methods = list(next(iter(results["distance"].values())))
    parts = [f"Measured {datetime.date.today():%Y-%m-%d} on: {machine}.\n"]
    for key, title in (
        ("sw2_over_floor", "Sliced W2 to the exact posterior, over the floor of two exact sets (1 is perfect)"),
        ("mean_error", "Error of the mean, in posterior standard deviations"),
        ("covariance_error", "Relative error of the covariance"),
        ("seconds", "Seconds for the whole set of samples"),
        ("nfe", "Denoiser calls per sample"),
    ):
        rows = [[family, *(f"{scores[m][key]:.3g}" for m in methods)] for family, scores in results["distance"].items()]
        parts.append(_table(title, ["problem", *methods], rows))
    rows = [
        [name, *(f"{c[key]:.3f}" for key in ("coverage_50", "coverage_90", "sbc", "tarp"))] for name, c in results["calibration"].items()
    ]
    parts.append(
        _table("Calibration on a unimodal problem", ["method", "50% coverage", "90% coverage", "SBC deviation", "TARP deviation"], rows)
    )
    chosen = [[f, m, s[m]["setting"]] for f, s in results["distance"].items() for m in ("DPS", "LGD-MC")]
    parts.append(_table("Settings that the tuning chose", ["problem", "method", "setting"], chosen))
    return "\n".join(parts)


def _table(title: str, header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)]
    return f"\n**{title}**\n\n" + "\n".join(lines) + "\n"


def _plot(distance: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.subplots()
    families = list(distance)
    methods = list(distance[families[0]])
    for k, method in enumerate(methods):
        heights = [distance[f][method]["sw2_over_floor"] for f in families]
        axes.bar([i + (k - len(methods) / 2) * 0.13 for i in range(len(families))], heights, width=0.12, label=method)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(yscale="log", ylabel="sliced W2 over the floor", xticks=range(len(families)))
    axes.set_xticklabels(families, rotation=20, ha="right")
    axes.legend(fontsize=8, ncols=3)
    figure.savefig(path, dpi=110)
