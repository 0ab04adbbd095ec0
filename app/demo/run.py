"""From the example photograph to the folder of results, as a user of the service would go."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.demo.errors import DemoError
from app.demo.figure import save_overview
from app.demo.service import running_service
from app.demo.summary import summarise
from app.examples import ASTRONAUT
from app.uploads import decode, fit_image
from dpnp import PriorInfo

OPERATOR = {"name": "super_resolution", "factor": 4, "noise_std": 0.1}
SEED = 0
LONGEST_SECONDS = 1800.0
FILES = ("mean.png", "std.png", "measurement.png", "posterior.npz")


def run_demo(out: Path, *, n_samples: int, prior: PriorInfo) -> dict[str, Any]:
    """Leave measurement, mean, std and samples as pictures, posterior.npz and summary.json in ``out``; returns the summary.

    Raises :class:`DemoError`.
    """
    try:
        from dpnp_client import Client, ClientError
    except ModuleNotFoundError as error:
        raise DemoError("the demo speaks to the service through dpnp-client: install it with 'pip install ./client'") from error

    print("starting the service ...", flush=True)
    try:
        with running_service(prior.name) as url, Client(url) as client:
            print(f"the service is ready on {url}", flush=True)
            return _through(client, out, n_samples, prior)
    except ClientError as error:
        raise DemoError(str(error)) from error


def _through(client: Any, out: Path, n_samples: int, prior: PriorInfo) -> dict[str, Any]:
    truth = fit_image(decode(ASTRONAUT.read_bytes(), 2**20, photograph=True), prior.image_shape)
    measurement = client.simulate(ASTRONAUT, operator=OPERATOR, prior=prior.name, seed=SEED)
    started = time.perf_counter()
    job = client.submit(measurement, operator=OPERATOR, prior=prior.name, n_samples=n_samples, seed=SEED)
    result = job.wait(progress=True, timeout=LONGEST_SECONDS)
    seconds = time.perf_counter() - started
    summary = summarise(truth, result.samples, result.mean, result.info.raw, seconds)
    _write(out, truth, measurement, result, summary)
    return summary


def _write(out: Path, truth: np.ndarray, measurement: np.ndarray, result: Any, summary: dict[str, Any]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (out / name).write_bytes(result.file(name))
        arrays = {"mean": result.mean, "std": result.std, "samples": result.samples}
        save_overview(out / "samples.png", truth=truth, measurement=measurement, **arrays)
        (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    except OSError as error:
        raise DemoError(f"cannot write {out}: {error.strerror or error}") from error
