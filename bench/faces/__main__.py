"""``dpnp bench faces``: every method on photographs of faces; writes the table and a picture per task."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

import dpnp
from bench._page import put_results
from bench.faces.cells import Bench
from bench.faces.data import Faces
from bench.faces.lpips import BACKBONES, as_photographs, load
from bench.faces.methods import METHODS
from bench.faces.report import SHOWN, grid, tables
from bench.faces.tasks import TASKS
from operators import ForwardModel


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    p = argparse.ArgumentParser(prog="dpnp bench faces", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--data", type=Path, required=True, help=".npz file whose array 'val' holds the faces, uint8 (N, H, W)")
    p.add_argument("--prior", default="faces-64", help="shipped name or folder")
    p.add_argument("--faces", type=int, default=32, help="faces that are scored")
    p.add_argument("--samples", type=int, default=8, help="samples per face")
    p.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    p.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    p.add_argument("--calls", type=int, default=1000, help="denoiser calls of the baselines")
    p.add_argument("--net", choices=list(BACKBONES), default="alexnet", help="backbone of LPIPS")
    p.add_argument("--lpips-cache", type=Path, default=Path("runs/lpips"), help="where the weights of LPIPS are kept")
    p.add_argument("--device", help="a GPU when there is one, if not given")
    p.add_argument("--out", type=Path, default=Path("runs/faces"), help="for results and pictures, which show the faces")
    p.add_argument("--resume", action="store_true", help="keep what a run with the same options has left in --out")
    p.add_argument("--page", type=Path, help="put the table into this README too")
    return p


def main(arguments: list[str] | None = None) -> None:
    """Run everything; ``arguments`` are the command line's if not given."""
    options = parser().parse_args(arguments)
    torch.set_num_threads(1)  # CPU time is then the time of one thread; threads that wait for each other would count as well
    prior = dpnp.load_prior(options.prior, options.device, "float32")  # rows of several machines are compared
    try:
        faces = Faces.read(options.data, options.faces, prior.image_shape)
    except ValueError as error:
        parser().error(str(error))
    metric = load(options.lpips_cache, options.net)
    bench = Bench(prior, lambda a, b: metric(as_photographs(a), as_photographs(b)), options.samples, options.calls)
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    for task in tqdm(options.tasks, desc="tasks"):
        folder = options.out / task
        folder.mkdir(parents=True, exist_ok=True)
        model = TASKS[task].model(prior.image_shape)
        found = {name: cell(bench, model, name, faces, folder, options.resume) for name in options.methods if fits(name, model)}
        cells |= {(task, name): numbers for name, (numbers, _) in found.items()}
        draw(model, faces.scored, {name: samples for name, (_, samples) in found.items()}, folder / "grid.png")
    page = tables(cells, prior.device)
    for path in filter(None, (options.out / "README.md", options.page)):
        put_results(path, page)


def fits(name: str, model: ForwardModel) -> bool:
    """Whether the method has a row for the model."""
    return METHODS[name].blind or not model.hidden


def cell(bench: Bench, model: ForwardModel, name: str, faces: Faces, folder: Path, resume: bool) -> tuple[dict[str, Any], Tensor]:
    """One method on one task, kept in ``folder``; what an earlier run left there when ``resume``."""
    path = folder / f"{name}.pt"
    if not (resume and path.exists()):
        torch.save(bench.cell(model, METHODS[name], faces.scored, faces.tuning), path)
    numbers, samples = torch.load(path)
    (folder / f"{name}.json").write_text(json.dumps(numbers, indent=1) + "\n")
    return numbers, samples


def draw(model: ForwardModel, faces: Tensor, samples: dict[str, Tensor], path: Path) -> None:
    """The task's picture, with the measurements that the methods saw."""
    measurements = [model.simulate(face, seed) for seed, face in enumerate(faces[:SHOWN])]
    grid(faces[:SHOWN], measurements, samples, path)


if __name__ == "__main__":
    main()
