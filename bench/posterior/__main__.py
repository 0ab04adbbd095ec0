"""``dpnp bench posterior``: every method against exact posteriors; writes results.json, the tables of README.md and the plots."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from bench.posterior.calibration import Calibration, calibrate, simulated
from bench.posterior.families import FAMILIES
from bench.posterior.methods import EXACT, ITERATIONS, METHODS, drawing, exactly, headline
from bench.posterior.report import write
from bench.posterior.scores import Score, Yardstick

TUNING_SEEDS = range(900, 905)
CALIBRATION_SAMPLES = 50
ALL = [EXACT, *METHODS]


def scores(family: str, methods: list[str], problems: int, n: int, budgets: list[int]) -> Iterator[Score]:
    """Methods at every budget on one family; a baseline's walk starts where the one at the last budget ended."""
    make = FAMILIES[family]
    yardsticks = [Yardstick.of(make(seed), n, seed) for seed in range(problems)]
    tuning = [make(seed) for seed in TUNING_SEEDS]
    for name in methods:
        if name == EXACT:
            yield Score.of(exactly, yardsticks, family, EXACT, 0, None)
            continue
        method, step = METHODS[name], 1.0
        for calls in budgets:
            step = method.step_size(calls, tuning, n // 4, step)
            yield Score.of(drawing(method.sampler(calls, step)), yardsticks, family, name, calls, step if method.tunable else None)


def calibrations(methods: list[str], simulations: int, n: int, calls: int) -> Iterator[Calibration]:
    """Methods at ``calls`` denoiser calls over simulated truths."""
    tuning = [simulated(seed)[0] for seed in TUNING_SEEDS]
    for name in tqdm(methods, desc="calibration"):
        if name == EXACT:
            yield calibrate(EXACT, exactly, simulations, CALIBRATION_SAMPLES)
            continue
        method = METHODS[name]
        step = method.step_size(calls, tuning, n // 4, 1.0)
        yield calibrate(name, drawing(method.sampler(calls, step)), simulations, CALIBRATION_SAMPLES)


def main(arguments: list[str] | None = None) -> None:
    """Run everything; ``arguments`` are the command line's if not given."""
    parser = argparse.ArgumentParser(prog="dpnp bench posterior", description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--problems", type=int, default=5, help="random problems per family")
    parser.add_argument("--simulations", type=int, default=300, help="simulated truths of the calibration, at most 900")
    parser.add_argument(
        "--calls", nargs="+", type=int, choices=list(ITERATIONS), default=list(ITERATIONS), help="budgets of denoiser calls"
    )
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES), metavar="NAME")
    parser.add_argument(
        "--methods", nargs="+", choices=ALL, metavar="NAME", help="measure these anew in what is left in --out, and keep the others"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--resume", action="store_true", help="keep the families that a run with the same options has left in --out")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # small matrices: threads would only wait for each other, and CPU time is then the time of one thread
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / "results.json"
    results = json.loads(kept.read_text()) if (options.resume or options.methods) and kept.exists() else {"scores": [], "calibration": []}
    methods = options.methods or ALL
    done = set() if options.methods else {score["family"] for score in results["scores"]}
    for family in tqdm([f for f in options.families if f not in done], desc="families"):
        anew = [asdict(s) for s in scores(family, methods, options.problems, options.samples, options.calls)]
        results["scores"] = without(results["scores"], anew) + anew
        kept.write_text(json.dumps(results, indent=1) + "\n")
    calibration = [asdict(c) for c in calibrations(methods, options.simulations, options.samples, headline(options.calls))]
    results["calibration"] = without(results["calibration"], calibration) + calibration
    results = {part: sorted(rows, key=place) for part, rows in results.items()}
    kept.write_text(json.dumps(results, indent=1) + "\n")
    write([Score(**s) for s in results["scores"]], [Calibration(**c) for c in results["calibration"]], options.out)


def without(rows: list[dict[str, Any]], anew: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that those of ``anew`` do not replace."""
    places = [place(row) for row in anew]
    return [row for row in rows if place(row) not in places]


def place(row: dict[str, Any]) -> tuple[int, int, int]:
    """Where a row of the results stands."""
    return list(FAMILIES).index(row["family"]) if "family" in row else 0, ALL.index(row["method"]), row.get("calls", 0)


if __name__ == "__main__":
    main()
