"""From a posterior to the files that are served."""

from __future__ import annotations

import importlib
import io
import json
import math
import platform
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter

import dpnp
from app.files import sample_name
from app.jobs import Spec
from app.problem import resolved
from app.results.pictures import grid, is_image, save_image, save_preview, save_std
from app.worker.solve import Solution
from dpnp import Posterior

KERNEL_ZOOM = 4  # a kernel has few pixels


def write_result(folder: Path, spec: Spec, measurement: np.ndarray, solution: Solution, seconds: float) -> None:
    """Write all files of a result into ``folder``; ``result.json`` comes last."""
    posterior = solution.posterior
    samples, mean, std = (tensor.numpy() for tensor in (posterior.samples, posterior.mean, posterior.std))
    hidden = {name: value.numpy() for name, value in posterior.hidden.items()}
    arrays = {"samples": samples, "mean": mean, "std": std, **hidden}
    np.savez(folder / "posterior.npz", **arrays)  # type: ignore[arg-type]  # none is called allow_pickle
    posterior.to_arviz().to_netcdf(str(folder / "posterior.nc"))
    _write_pictures(folder, samples, mean, std)
    if "kernel" in hidden:
        _write_kernels(folder, hidden["kernel"])
    if is_image(measurement):
        save_preview(measurement, folder / "measurement.png")
    summary = _summary(spec, solution, posterior, seconds)
    summary["files"] = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    (folder / "result.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n")


def warm_up() -> None:
    """Load what writing a result needs and takes seconds the first time: ArviZ, Matplotlib's fonts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # ArviZ announces its next major version
        importlib.import_module("arviz")
    save_std(np.zeros((1, 2, 2)), io.BytesIO())


def _write_pictures(folder: Path, samples: np.ndarray, mean: np.ndarray, std: np.ndarray) -> None:
    if not is_image(mean):
        return
    (folder / "samples").mkdir()
    for i, image in enumerate(samples):
        save_image(image, folder / sample_name(i))
    save_image(grid(samples), folder / "samples.png")
    save_image(mean, folder / "mean.png")
    save_std(std, folder / "std.png")


def _write_kernels(folder: Path, kernels: np.ndarray) -> None:
    """The mean of blur kernels (n, s, s) and the kernels in a grid, each brightened to its peak."""

    def shown(kernel: np.ndarray) -> np.ndarray:
        return (2 * kernel / kernel.max() - 1)[None].repeat(KERNEL_ZOOM, 1).repeat(KERNEL_ZOOM, 2)

    save_image(shown(kernels.mean(0)), folder / "kernel.png")
    save_image(grid(np.stack([shown(kernel) for kernel in kernels])), folder / "kernels.png")


def _summary(spec: Spec, solution: Solution, posterior: Posterior, seconds: float) -> dict[str, Any]:
    return {
        "operator": resolved(spec.operator, solution.model.parameters()),
        "prior": spec.prior,
        "sampler": resolved(spec.sampler, _parameters(solution)),
        "n_samples": len(posterior.samples),
        "image_shape": list(posterior.mean.shape),
        "seed": spec.seed,
        "nfe": posterior.nfe,
        "diagnostics": {k: float(v) if math.isfinite(v) else None for k, v in posterior.diagnostics.items()},
        "warnings": list(posterior.warnings),
        "timings": {"sampling_seconds": posterior.diagnostics.get("seconds"), "total_seconds": round(seconds, 3)},
        "device": solution.device,
        "versions": {"dpnp": dpnp.__version__, "torch": str(torch.__version__), "python": platform.python_version()},
    }


def _parameters(solution: Solution) -> dict[str, Any]:
    return TypeAdapter(type(solution.sampler)).dump_python(solution.sampler, mode="json")
