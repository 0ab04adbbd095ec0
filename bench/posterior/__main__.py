"""``dpnp bench posterior``: every method against exact posteriors; writes results.json, the table of README.md and the plots."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median

import torch
from tqdm import tqdm

from bench.posterior.calibration import calibrate
from bench.posterior.families import FAMILIES, Problem
from bench.posterior.methods import METHODS, run, tuned
from bench.posterior.metrics import covariance_error, mean_error, sliced_w2
from bench.posterior.report import write
from dpnp.samplers import Sampler

TUNING_SEEDS = (900, 901)


def floor_of(problem: Problem, n: int) -> float:
    """Mean sliced W2 of four pairs of independent exact sets: what a perfect sampler scores."""
    sets = [problem.exact.sample(n, torch.Generator().manual_seed(70 + k)).flatten(1) for k in range(8)]
    return sum(sliced_w2(a, b) for a, b in zip(sets[::2], sets[1::2], strict=True)) / 4


def score(sampler: Sampler, problems: list[Problem], n: int) -> dict[str, float | str]:
    """Medians over the problems."""
    rows = []
    for seed, problem in enumerate(problems):
        outcome = run(sampler, problem, n, seed)
        exact = problem.exact.sample(n, torch.Generator().manual_seed(seed)).flatten(1)
        if outcome.samples is None:
            rows.append((float("inf"),) * 3 + (outcome.seconds, outcome.nfe))
            continue
        ratio = sliced_w2(outcome.samples, exact) / floor_of(problem, n)
        rows.append((ratio, mean_error(outcome.samples, exact), covariance_error(outcome.samples, exact), outcome.seconds, outcome.nfe))
    names = ("sw2_over_floor", "mean_error", "covariance_error", "seconds", "nfe")
    return {name: median(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)} | {"setting": str(sampler)}


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="dpnp bench posterior", description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--problems", type=int, default=5, help="random problems per family")
    parser.add_argument("--simulations", type=int, default=300, help="simulated truths of the calibration")
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    torch.set_num_threads(1)  # small matrices: threads would only wait for each other
    results: dict[str, dict] = {"distance": {}, "calibration": {}}
    for family in tqdm(options.families, desc="families"):
        make = FAMILIES[family]
        problems = [make(seed) for seed in range(options.problems)]
        tuning = [make(seed) for seed in TUNING_SEEDS]
        results["distance"][family] = {
            name: score(tuned(candidates, tuning, options.samples // 4), problems, options.samples) for name, candidates in METHODS.items()
        }
    tuning = [FAMILIES["gaussian, d 16, m 8"](seed) for seed in TUNING_SEEDS]
    for name, candidates in tqdm(METHODS.items(), desc="calibration"):
        sampler = tuned(candidates, tuning, options.samples // 4)
        results["calibration"][name] = vars(calibrate(sampler, options.simulations, 50)) | {"setting": str(sampler)}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    write(results, options.out)


if __name__ == "__main__":
    main()
