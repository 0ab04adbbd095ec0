"""``dpnp bench speed``: denoiser calls per second, use of the device, and seconds per posterior sample."""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

import torch
from tqdm import tqdm

import dpnp
import operators
from bench._page import measured_on, put_results, table
from bench.speed.measure import Row, Setting, measure
from bench.speed.models import RANDOM, model
from dpnp.priors import largest_batch

HEADINGS = {
    "model": "prior",
    "operator": "operator",
    "precision": "precision",
    "compilation": "compilation",
    "batch": "batch",
    "calls_per_second": "calls/s",
    "gflop_per_call": "GFLOP per call",
    "peak_tflops": "matmul TFLOP/s",
    "utilisation": "utilisation",
    "mb_per_sample": "MB per sample",
    "seconds_per_sample": "s per posterior sample",
    "overhead": "outside the denoiser",
}


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    p = argparse.ArgumentParser(prog="dpnp bench speed", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--models", nargs="+", default=["faces-64"], metavar="NAME", help=f"{', '.join(RANDOM)}, or any prior's name or path")
    names = operators.names()
    p.add_argument("--operators", nargs="+", choices=names, default=["super_resolution"], metavar="NAME", help=", ".join(names))
    p.add_argument("--batches", nargs="+", type=int, default=[4], help="images per denoiser call; 0 is as many as fit, up to 64")
    p.add_argument("--precisions", nargs="+", choices=["float32", "bfloat16"], default=["float32"])
    p.add_argument("--compilations", nargs="+", choices=["none", "fuse", "graphs"], default=["none"])
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--iterations", type=int, default=3, help="DPnP iterations that are timed; the rest is extrapolated")
    p.add_argument("--seconds", type=float, default=2.0, help="least time of each measurement")
    p.add_argument("--out", type=Path, default=Path("runs/speed"), help="folder for speed.json and speed.md")
    p.add_argument("--page", type=Path, help="put the table into this README instead of speed.md")
    return p


def run(options: argparse.Namespace) -> list[Row]:
    """Every combination, each on freshly loaded weights."""
    rows = []
    settings = product(options.models, options.operators, options.precisions, options.compilations, options.batches)
    for name, operator, precision, compilation, batch in tqdm(list(settings), desc="settings"):
        prior = model(name, torch.device(options.device)).tune(precision, compilation)
        size = batch or largest_batch(prior, 64)
        rows.append(measure(prior, Setting(name, operator, precision, compilation, size, options.iterations, options.seconds)))
    return rows


def page(rows: list[Row], device: torch.device) -> str:
    """The rows as Markdown, with the machine and the date."""
    cells = [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in (getattr(row, key) for key in HEADINGS)] for row in rows]
    return measured_on(device) + table("Speed", list(HEADINGS.values()), cells)


def main() -> None:
    """Run everything."""
    options = parser().parse_args()
    try:
        rows = run(options)
    except (ValueError, dpnp.PriorError) as error:
        parser().error(str(error))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "speed.json").write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    text = page(rows, torch.device(options.device))
    put_results(options.page or options.out / "speed.md", text)
    print(text)


if __name__ == "__main__":
    main()
