"""``dpnp simulate``: a measurement of a picture, to try things with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Operator, Parameters, PriorName, Seed

PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".gif", ".bmp")


def simulate(
    image: Annotated[Path, typer.Argument(help="a picture (.png, .jpg, .tif) or an array (.npy) in [-1, 1] scale")],
    operator: Operator,
    parameters: Parameters = None,
    prior: PriorName = None,
    seed: Seed = 0,
    out: Annotated[
        Path, typer.Option(help="the measurement's file: .npy, .npz with the mask beside it where there is one, .jpg for blind_deblur_jpeg")
    ] = Path("measurement.npy"),
) -> None:
    """Simulate a measurement of IMAGE, cropped about its centre and scaled to the prior's shape."""
    import numpy as np
    import torch

    import operators
    from app.cli.choose import MAX_PIXELS, make_spec, prior_info
    from app.cli.usage import output_errors, parse_pairs, read_input, usage_errors
    from app.jobs import ProblemSpec
    from app.problem import build_model
    from app.uploads import decode, fit_image

    named = {"name": operator, **parse_pairs(parameters or [], "--set")}
    content = read_input(image)
    with usage_errors():
        info = prior_info(prior)
        spec = make_spec(ProblemSpec, operator=named, prior=info.name, seed=seed)
        model = build_model(spec.operator, info.image_shape)
        picture = fit_image(decode(content, MAX_PIXELS, photograph=True), info.image_shape)
        measurement = model.simulate(torch.from_numpy(np.ascontiguousarray(picture)), seed)
        own = model.write_file(measurement) if out.suffix.lower() in (".jpg", ".jpeg") else None
        check_suffix(out, own is not None, operator)
    with output_errors(out), open(out, "wb") as stream:
        if own is not None:
            stream.write(own[1])
        elif out.suffix.lower() == ".npz":
            operators.save_measurement(stream, model, measurement)
        else:
            np.save(stream, measurement.numpy(), allow_pickle=False)
    typer.echo(f"{out}: {measurement.numpy().dtype} {tuple(measurement.shape)}")


def check_suffix(out: Path, own: bool, operator: str) -> None:
    """Refuse a picture's name where the measurement is written as an array."""
    if not own and out.suffix.lower() in PICTURES:
        raise typer.BadParameter(f"a measurement of {operator} cannot be written as {out.suffix}, got {out.name}", param_hint="--out")
