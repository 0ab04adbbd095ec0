"""``dpnp sample``: a posterior on this machine, without a service."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import Operator, Parameters, PriorName, Seed

if TYPE_CHECKING:
    import numpy as np

    from app.jobs import Spec
    from dpnp import PriorInfo

SUMMARY = "result.json"


def sample(
    measurement: Annotated[Path, typer.Argument(help="a measurement: .npy, .npz, .png, .jpg or .tif")],
    operator: Operator,
    out: Annotated[Path, typer.Option(help="folder for the result; an earlier result there is replaced")],
    parameters: Parameters = None,
    prior: PriorName = None,
    n_samples: Annotated[int, typer.Option(min=1, help="posterior samples to draw")] = 4,
    seed: Seed = 0,
    sampler: Annotated[str, typer.Option(help="sampling method")] = "dpnp",
    sampler_parameters: Annotated[
        list[str] | None, typer.Option("--sampler-set", metavar="NAME=VALUE", help="a parameter of the sampler; may be repeated")
    ] = None,
) -> None:
    """Draw posterior samples for MEASUREMENT and write the files that the service would give."""
    from app.cli.choose import make_spec, prior_info
    from app.cli.usage import parse_pairs, read_input, usage_errors
    from app.jobs import Spec

    named = {"name": operator, **parse_pairs(parameters or [], "--set")}
    method = {"name": sampler, **parse_pairs(sampler_parameters or [], "--sampler-set")}
    content = read_input(measurement)
    _check_folder(out)
    with usage_errors():
        info = prior_info(prior)
        spec = make_spec(Spec, operator=named, prior=info.name, seed=seed, n_samples=n_samples, sampler=method)
        spec, y, stored = _measurement(spec, content, info)
        _solve(spec, y, stored, info, out)
    _report(out)


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise typer.BadParameter(f"{out} is a file, expected a folder", param_hint="--out")
    if out.is_dir() and any(out.iterdir()) and not (out / SUMMARY).is_file():
        raise typer.BadParameter(f"{out} holds other files than a result; choose an empty or new folder", param_hint="--out")


def _measurement(spec: Spec, content: bytes, info: PriorInfo) -> tuple[Spec, np.ndarray, dict[str, np.ndarray]]:
    """The spec, with what the file tells of the operator, the measurement, and what is stored beside it; all checked."""
    import numpy as np
    import torch

    from app.cli.choose import MAX_PIXELS
    from app.problem import build_model, build_sampler, read_measurement, steps_of
    from app.uploads import decode_measurement, fit_measurement

    sampler = build_sampler(spec.sampler)
    found = read_measurement(spec.operator, content, info.image_shape, lambda file, names: decode_measurement(file, MAX_PIXELS, names))
    model = build_model(found.operator, info.image_shape, found.stored)
    y = np.ascontiguousarray(fit_measurement(found.array, model.measurement_shape))
    model.check_measurement(torch.from_numpy(y))
    steps_of(sampler, model, y)
    return spec.model_copy(update={"operator": found.operator}), y, found.stored


def _solve(spec: Spec, y: np.ndarray, stored: dict[str, np.ndarray], info: PriorInfo, out: Path) -> None:
    from tqdm import tqdm

    from app.cli.choose import load
    from app.cli.usage import output_errors
    from app.results import write_result
    from app.worker.solve import Hooks, solve
    from dpnp import Run

    def show(run: Run) -> None:
        bar.total = run.total
        bar.update(run.step_index - bar.n)

    prior, started = load(info), time.perf_counter()
    with tqdm(desc="sampling", unit="step", dynamic_ncols=True) as bar:
        solution = solve(spec, y, prior, stored=stored, hooks=Hooks(after_step=show))
    partial = out.with_name(out.name + ".partial")
    with output_errors(out):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write_result(partial, spec, y, solution, time.perf_counter() - started)
        shutil.rmtree(out, ignore_errors=True)
        os.replace(partial, out)


def _report(out: Path) -> None:
    summary = json.loads((out / SUMMARY).read_text())
    typer.echo(f"{out}: {', '.join(sorted(path.name for path in out.iterdir()))}")
    for name, value in summary["diagnostics"].items():
        typer.echo(f"  {name}: {value:.4g}" if isinstance(value, float | int) else f"  {name}: {value}")
    for warning in summary["warnings"]:
        typer.echo(f"warning: {warning}", err=True)
