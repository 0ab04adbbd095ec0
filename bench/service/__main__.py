"""``dpnp bench service``: the service under load, and what it costs over the library; writes results.json and the tables of README.md."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch

from app.settings import Settings
from bench._page import measured_on, put_results, table
from bench.service.load import Load, storm
from bench.service.overhead import Overhead, compare
from bench.service.prior import NAME, write_prior
from bench.service.server import serving


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="dpnp bench service", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--iterations", type=int, default=100, help="of the job that is also run by the library")
    parser.add_argument("--samples", type=int, default=16, help="of the job that is also run by the library")
    parser.add_argument("--repeats", type=int, default=3, help="times that it is run each way")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dpnp-bench-") as folder:
        write_prior(Path(folder) / "priors" / NAME)
        with serving(_settings(Path(folder), options.jobs)) as server:
            compare(server, 2, 2, 1)  # warms both up
            overhead = compare(server, options.iterations, options.samples, options.repeats)
            load = storm(server, options.jobs, options.clients)
    options.out.mkdir(parents=True, exist_ok=True)
    results = {"load": load.row(), "overhead": overhead.row()}
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    put_results(options.out / "README.md", measured_on(torch.device("cpu")) + tables(load, overhead))


def _settings(folder: Path, jobs: int) -> Settings:
    values = {"host": "127.0.0.1", "port": 0, "device": "cpu", "threads": 1, "workers": 1, "prior": NAME, "max_queue": max(jobs, 1)}
    return Settings(_env_file=None, data_dir=folder / "data", priors=folder / "priors", **values)


def tables(load: Load, overhead: Overhead) -> str:
    """Both results as Markdown."""
    rows = [
        ["lost", str(load.lost)],
        ["run twice", str(load.run_twice)],
        ["refused with 429 and sent again", str(load.refused)],
        ["jobs per second", f"{load.jobs / load.seconds:.1f}"],
        ["submit, p50 / p99", _pair(load.submit_ms, "ms")],
        ["status, p50 / p99", _pair(load.status_ms, "ms")],
        ["memory of the API, after a fifth / at the end", _pair(load.api_memory_mib, "MiB")],
        ["memory of the worker, after a fifth / at the end", _pair(load.worker_memory_mib, "MiB")],
        ["processor time per job, worker / API", _pair((load.worker_cpu_per_job * 1000, load.api_cpu_per_job * 1000), "ms")],
    ]
    clock, cpu = overhead.relative
    costs = [
        ["by the clock", f"{overhead.library_seconds:.2f} s", f"{overhead.service_seconds:.2f} s", f"{clock:+.1%}"],
        ["processor time", f"{overhead.library_cpu:.2f} s", f"{overhead.service_cpu:.2f} s", f"{cpu:+.1%}"],
    ]
    title = f"One job of {overhead.n_samples} samples and {overhead.iterations} iterations"
    return table(f"{load.jobs} small jobs from {load.clients} clients, one worker", ["", ""], rows) + table(
        title, ["", "library", "service", "more"], costs
    )


def _pair(values: tuple[float, float], unit: str) -> str:
    return f"{values[0]:.0f} / {values[1]:.0f} {unit}"


if __name__ == "__main__":
    main()
