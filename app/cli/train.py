"""``dpnp train``: an unconditional diffusion prior from a user's own images."""

from pathlib import Path
from typing import Annotated

import typer

SYNTHETIC_KERNELS = "kernels"


def train(
    data: Annotated[
        Path,
        typer.Argument(
            help="a folder of pictures; an .npz file with uint8 arrays 'train' and 'val', (N, H, W) or (N, H, W, 3), or with 'data' and "
            "'offsets', picture files joined; or 'kernels', synthetic blur kernels"
        ),
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="the run's folder; OUT/best is the finished prior")],
    size: Annotated[str | None, typer.Option(help="side of the images, or HEIGHTxWIDTH; needed where pictures differ in size")] = None,
    colour: Annotated[str, typer.Option(help="auto, grey or rgb; auto is grey where every picture is")] = "auto",
    fit: Annotated[str, typer.Option(help="bring pictures to another aspect ratio by crop, about the centre, or by resize")] = "crop",
    validation: Annotated[float, typer.Option(min=0, max=0.5, help="share of the pictures that training does not see")] = 0.02,
    steps: Annotated[int, typer.Option(min=1)] = 5000,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    accumulate: Annotated[int, typer.Option(min=1, help="compute each batch in so many parts, to save memory")] = 1,
    learning_rate: Annotated[float, typer.Option(min=0)] = 1e-3,
    ema_decay: Annotated[float, typer.Option(min=0, help="of the moving average of the weights that becomes the prior; under 1")] = 0.999,
    channels: Annotated[str, typer.Option(help="channels per resolution, fine to coarse")] = "64,128,192",
    patch: Annotated[int, typer.Option(help="side of the pixel blocks that the network sees as channels")] = 2,
    flips: Annotated[bool, typer.Option(help="flip images horizontally at random")] = True,
    precision: Annotated[str, typer.Option(help="bfloat16 or float32")] = "bfloat16",
    validate_every: Annotated[int, typer.Option(min=1, help="steps between checks on the pictures that training does not see")] = 250,
    sample_images: Annotated[int, typer.Option(min=0, help="samples drawn into OUT/samples at every check; 0 for none")] = 8,
    seed: int = 0,
    compile: Annotated[bool, typer.Option(help="fuse the network with torch.compile (needs a C++ compiler on CPU)")] = False,
    resume: Annotated[bool, typer.Option(help="continue OUT's checkpoint, with the options of this call")] = False,
    init: Annotated[str | None, typer.Option(help="a prior to start from, by name or folder, with a network of the same size")] = None,
    source: Annotated[str, typer.Option(help="where the images are from, for the prior's card")] = "",
    licence: Annotated[str, typer.Option(help="licence of the weights, for the card")] = "unknown",
    summary: Annotated[str, typer.Option(help="what it is a prior of, for the card")] = "",
) -> None:
    """Train an EDM denoiser; leaves OUT/best, a folder that load_prior and --prior take."""
    import torch
    from pydantic import ValidationError

    from dpnp import PriorError, load_prior
    from dpnp.training import (
        About,
        CheckpointError,
        DatasetError,
        KernelDataset,
        NetworkConfig,
        Preparation,
        TrainConfig,
        Trainer,
        TrainingData,
        load_dataset,
    )

    try:
        config = TrainConfig(
            steps=steps,
            batch_size=batch_size,
            accumulate=accumulate,
            sample_images=sample_images,
            validate_every=validate_every,
            learning_rate=learning_rate,
            ema_decay=ema_decay,
            horizontal_flips=flips,
            precision=precision,
            seed=seed,
            compile=compile,
            network=NetworkConfig.model_validate({"channels": channels.split(","), "patch": patch}),
        )
        how = Preparation.model_validate({"size": size, "colour": colour, "fit": fit, "validation": validation})
        dataset: TrainingData = KernelDataset() if str(data) == SYNTHETIC_KERNELS else load_dataset(data, how)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())) from error
    except DatasetError as error:
        raise typer.BadParameter(str(error)) from error
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(dataset, config, out, about=About(source or data.name, licence, summary), device=device)
    try:
        resumed = resume and trainer.resume()
    except CheckpointError as error:
        raise typer.BadParameter(str(error), param_hint="--resume") from error
    if resume and not resumed:
        raise typer.BadParameter(f"{out} holds no checkpoint to resume", param_hint="--resume")
    try:
        if init is not None:
            trainer.start_from(load_prior(init, device, "float32"))  # weights that are not rounded
    except PriorError as error:
        raise typer.BadParameter(str(error).splitlines()[0], param_hint="--init") from error
    typer.echo(f"the prior is in {trainer.run()}")
