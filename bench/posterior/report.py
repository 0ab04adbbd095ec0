"""The tables and the plots of the posterior benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from bench._page import measured_on, put_results, table
from bench.posterior.calibration import Calibration
from bench.posterior.methods import EXACT, headline
from bench.posterior.scores import Score


def write(scores: list[Score], calibrations: list[Calibration], folder: Path) -> None:
    """Put the tables between the markers of ``folder/README.md`` (made when absent) and draw the plots beside it."""
    put_results(folder / "README.md", tables(scores, calibrations))
    budgets = sorted({float(s.calls) for s in scores} - {0})
    _curves(scores, lambda s: s.calls, "denoiser calls per sample", budgets).savefig(folder / "calls.png", dpi=100)
    _curves(scores, lambda s: s.seconds, "CPU seconds of one thread for the sample set", [0.1, 1, 10]).savefig(
        folder / "seconds.png", dpi=100
    )
    _calibration(calibrations).savefig(folder / "calibration.png", dpi=100)


def tables(scores: list[Score], calibrations: list[Calibration]) -> str:
    """Markdown of all results, with machine and date."""
    budgets = sorted({s.calls for s in scores} - {0})
    calls = headline(budgets)
    at = f"at {calls} denoiser calls"
    over = "Sliced W2 to the exact posterior over the floor of two exact sets"
    parts = [
        measured_on(torch.device("cpu")),
        _by_method(f"{over}, {at}: median (least to greatest)", scores, calls, _with_range),
        _by_method(f"Error of the mean {at}, in posterior standard deviations", scores, calls, lambda s: f"{s.mean_error:.3g}"),
        _by_method(f"Relative error of the covariance {at}", scores, calls, lambda s: f"{s.covariance_error:.3g}"),
        _by_budget(f"{over}, by denoiser calls", scores, budgets, lambda s: f"{s.sw2_over_floor:.3g}"),
        _by_budget("CPU seconds of one thread for the whole set, by denoiser calls", scores, budgets, lambda s: f"{s.seconds:.2g}"),
        _by_budget("Step sizes that the tuning chose, by denoiser calls", [s for s in scores if s.step_size], budgets, _step_size),
        _calibration_table(calibrations),
    ]
    return "\n".join(parts)


def _by_method(title: str, scores: list[Score], calls: int, cell: Callable[[Score], str]) -> str:
    shown = {(s.family, s.method): s for s in scores if s.calls in (0, calls)}
    families, methods = _names(shown.values())
    rows = [[family, *(cell(shown[family, method]) for method in methods)] for family in families]
    return table(title, ["problem", *methods], rows)


def _by_budget(title: str, scores: list[Score], budgets: list[int], cell: Callable[[Score], str]) -> str:
    found = {(s.family, s.method, s.calls): s for s in scores}
    families, methods = _names(scores)
    rows = [[f, m, *(cell(found[f, m, b]) for b in budgets)] for f in families for m in methods if m != EXACT]
    return table(title, ["problem", "method", *map(str, budgets)], rows)


def _names(scores: Iterable[Score]) -> tuple[list[str], list[str]]:
    listed = list(scores)
    return list(dict.fromkeys(s.family for s in listed)), list(dict.fromkeys(s.method for s in listed))


def _with_range(score: Score) -> str:
    return f"{score.sw2_over_floor:.3g} ({score.least:.3g} to {score.greatest:.3g})"


def _step_size(score: Score) -> str:
    return f"{score.step_size:.3g}"


def _calibration_table(calibrations: list[Calibration]) -> str:
    rows = [[c.method, *(f"{v:.3f}" for v in (c.coverage_50, c.coverage_90, c.sbc_deviation, c.tarp_deviation))] for c in calibrations]
    header = ["method", "50% coverage", "90% coverage", "SBC deviation", "TARP deviation"]
    return table("Calibration on a unimodal problem", header, rows)


def _curves(scores: list[Score], x: Callable[[Score], float], label: str, ticks: list[float]) -> Figure:
    """One panel per family: sliced W2 over the floor against ``x``, the exact sets' own range as a band."""
    families, methods = _names(scores)
    figure = Figure(figsize=(13, 6.5), layout="constrained")
    panels = figure.subplots(2, 4, sharex=True, sharey=True, squeeze=False).flatten()
    for panel, family in zip(panels, families, strict=False):
        for method in methods:
            rows = [s for s in scores if (s.family, s.method) == (family, method)]
            if method == EXACT:
                panel.axhspan(rows[0].least, rows[0].greatest, color="black", alpha=0.15, label=method)
            else:
                panel.plot([x(s) for s in rows], [s.sw2_over_floor for s in rows], marker="o", markersize=3, label=method)
        panel.set(xscale="log", yscale="log", title=family)
        panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.xaxis.set_minor_formatter(NullFormatter())
    for panel in panels[len(families) :]:
        panel.set_axis_off()
    figure.supxlabel(label)
    figure.supylabel("sliced W2 over the floor")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=7, fontsize=9)
    return figure


def _calibration(calibrations: list[Calibration]) -> Figure:
    """The SBC coordinate farthest from uniform ranks, and TARP's expected coverage, each less the level."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for c in calibrations:
        gaps = [[a - level for a, level in zip(curve, c.levels, strict=True)] for curve in c.sbc]
        left.plot(c.levels, max(gaps, key=lambda g: max(map(abs, g))), label=c.method)
        right.plot(c.levels, [a - level for a, level in zip(c.tarp, c.levels, strict=True)])
    left.set(title="SBC, worst coordinate", xlabel="level", ylabel="share below the level, less the level")
    right.set(title="TARP", xlabel="credibility level")
    figure.legend(loc="outside lower center", ncols=4, fontsize=9)
    return figure
