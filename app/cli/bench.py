"""``dpnp bench``: run a benchmark of the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[2]


def bench(
    name: Annotated[str | None, typer.Argument(help="benchmark to run; without it they are listed")] = None,
    arguments: Annotated[list[str] | None, typer.Argument(help="passed on to the benchmark; after '--' if they begin with a dash")] = None,
) -> None:
    """List the benchmarks, or run one."""
    known = benchmarks(ROOT / "bench")
    if name is None:
        typer.echo("\n".join(known) or "there are no benchmarks here: they are in the repository, not in the package")
    elif name not in known:
        raise typer.BadParameter(f"unknown benchmark {name!r}; known: {', '.join(known) or 'none'}")
    else:
        command = [sys.executable, "-m", f"bench.{name}", *(arguments or [])]
        raise typer.Exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def benchmarks(folder: Path) -> list[str]:
    """The names of the modules in ``folder`` that can be run."""
    modules = [p.stem for p in folder.glob("*.py") if not p.stem.startswith("_")]
    packages = [p.parent.name for p in folder.glob("*/__main__.py")]
    return sorted(modules + packages)
