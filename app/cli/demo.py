"""``dpnp demo``: the whole way once, on the example photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="folder for pictures, posterior.npz and summary.json")] = Path("demo"),
    n_samples: Annotated[int, typer.Option(min=1, max=64, help="posterior samples to draw")] = 4,
    prior: Annotated[str | None, typer.Option(help="a prior that 'dpnp priors' lists; the default one if not given")] = None,
) -> None:
    """Start a service, simulate a 4x super-resolution measurement, sample its posterior through the client, and show the result."""
    from app.catalogue import PriorCatalogue
    from app.cli.serve import read_settings
    from app.cli.usage import usage_errors
    from app.demo import DemoError, run_demo

    settings = read_settings()
    with usage_errors():
        info = PriorCatalogue(settings.priors).get(prior or settings.prior)
    try:
        summary = run_demo(out, n_samples=n_samples, prior=info)
    except DemoError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(
        f"PSNR of the posterior mean {summary['psnr_mean_db']:.2f} dB, of single samples {summary['psnr_samples_mean_db']:.2f} dB;"
        f" {summary['denoiser_calls']} denoiser calls in {summary['seconds']:.1f} s"
    )
    typer.echo(f"see {out / 'samples.png'}")
