"""Unconditional ``diffusers.UNet2DModel`` checkpoints with their scheduler: folders as diffusers writes them."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dpnp.errors import PriorError
from dpnp.priors.about import read_about, read_json
from dpnp.priors.base import ImageShape
from dpnp.priors.diffusion import DiffusionPrior
from dpnp.priors.info import PriorInfo
from dpnp.priors.parametrisations import Parametrisation, VarianceExploding, VariancePreserving
from dpnp.priors.unconditional import check_channels, check_unconditional

CONFIG, PIPELINE, SCHEDULER, ABOUT = "config.json", "model_index.json", "scheduler_config.json", "about.json"
WEIGHTS = "diffusion_pytorch_model"
VP_SCHEDULERS = ("DDPMScheduler", "DDIMScheduler", "PNDMScheduler")
VE_SCHEDULER = "ScoreSdeVeScheduler"


@dataclass(frozen=True)
class Checkpoint:
    """Where the network of a folder lies, and what the folder's two configurations say."""

    network_folder: Path
    network: dict[str, Any]
    scheduler: dict[str, Any]

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of one image."""
        size = self.network["sample_size"]
        height, width = size if isinstance(size, list) else (size, size)
        return self.network["in_channels"], height, width


def recognises(path: Path) -> bool:
    """Whether ``path`` is a folder with a diffusers model or pipeline."""
    return any((path / name).is_file() for name in (CONFIG, PIPELINE, f"unet/{CONFIG}"))


def info(path: Path) -> PriorInfo:
    """What the configurations say, and ``about.json`` (``licence``, ``source``, ``summary``) where a user put one.

    Raises :class:`dpnp.PriorError` for a network that is no unconditional prior of images, or that has no scheduler.
    """
    checkpoint, about = read_checkpoint(path), read_about(path / ABOUT)
    licence, source = str(about.get("licence", "unknown")), str(about.get("source", "a diffusers checkpoint"))
    return PriorInfo(path.name, checkpoint.image_shape, licence, source, str(about.get("summary", "")), path)


def weight_files(path: Path) -> list[Path]:
    """The network's one file, or the parts that it is split into; pickles only where nothing is in safetensors. No other variants."""
    folder = _network_folder(path)
    kind = "safetensors" if _is_safe(folder) else "bin"
    return [*folder.glob(f"{WEIGHTS}.{kind}")] or sorted(folder.glob(f"{WEIGHTS}-*-of-*.{kind}"))


def load(path: Path, *, name: str, device: torch.device | str) -> DiffusionPrior:
    """The prior in ``path``. Raises :class:`dpnp.PriorError` with the cause when it cannot be used."""
    checkpoint = read_checkpoint(path)
    parametrisation = parametrisation_of(checkpoint)
    network = UnconditionalUNet(_load_network(checkpoint.network_folder), len(checkpoint.network["block_out_channels"]))
    card = {**read_about(path / ABOUT), "network": checkpoint.network, "scheduler": checkpoint.scheduler}
    return DiffusionPrior(network, parametrisation, checkpoint.image_shape, name=name, card=card).to(device)


class UnconditionalUNet(nn.Module):
    """A ``UNet2DModel`` as a function of image and label."""

    def __init__(self, unet: nn.Module, resolutions: int) -> None:
        super().__init__()
        self.unet = unet
        self.unit = 2 ** (resolutions - 1)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        answer: Tensor = self.unet(x.to(next(self.parameters()).dtype), label, return_dict=False)[0]
        return answer


def read_checkpoint(path: Path) -> Checkpoint:
    """The configurations of the folder ``path``: network and scheduler side by side, or a pipeline with both in sub-folders.

    Raises :class:`dpnp.PriorError` for what is no unconditional prior of images.
    """
    if (path / PIPELINE).is_file():
        _check_parts(path)
    folder = _network_folder(path)
    found = [p for p in (path / "scheduler" / SCHEDULER, path / SCHEDULER, folder / SCHEDULER) if p.is_file()]
    network = read_json(folder / CONFIG)
    _check_network(folder, network)
    if not found:
        raise PriorError(f"{path} has no {SCHEDULER}: without it nobody knows which noise levels the network was trained on")
    return Checkpoint(folder, network, read_json(found[0]))


def _network_folder(path: Path) -> Path:
    return path / "unet" if (path / "unet" / CONFIG).is_file() else path


def _check_parts(path: Path) -> None:
    """A pipeline with more than a network and a scheduler denoises something else than images."""
    parts = {key for key, value in read_json(path / PIPELINE).items() if isinstance(value, list) and value[:1] != [None]}
    if others := sorted(parts - {"unet", "scheduler"}):
        raise PriorError(f"the pipeline in {path} is not a prior of images alone, it also has {', '.join(others)}")


def _check_network(folder: Path, config: dict[str, Any]) -> None:
    kind = config.get("_class_name", "UNet2DModel")
    if kind != "UNet2DModel":
        raise PriorError(f"the network in {folder} is a {kind}, expected an unconditional UNet2DModel")
    check_unconditional(folder, config)
    size, channels, out = config.get("sample_size"), config.get("in_channels", 3), config.get("out_channels", 3)
    sides = size if isinstance(size, list) else [size]
    if len(sides) > 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise PriorError(f"{folder / CONFIG} has sample_size {size!r}, expected the side of the images or [height, width]")
    check_channels(folder, channels, out)
    config.setdefault("in_channels", channels)


def parametrisation_of(checkpoint: Checkpoint) -> Parametrisation:
    """How the network's answers become a denoiser, from the scheduler. Raises :class:`dpnp.PriorError` for an unknown scheduler."""
    config = checkpoint.scheduler
    kind, embedding = config.get("_class_name"), checkpoint.network.get("time_embedding_type", "positional")
    if kind not in (*VP_SCHEDULERS, VE_SCHEDULER):
        raise PriorError(
            f"unknown scheduler {kind!r} beside {checkpoint.network_folder}; known: {', '.join((*VP_SCHEDULERS, VE_SCHEDULER))}"
        )
    expected = "fourier" if kind == VE_SCHEDULER else "positional"
    if embedding != expected:
        raise PriorError(f"the network in {checkpoint.network_folder} has a {embedding} time embedding, expected {expected} for {kind}")
    try:
        if kind == VE_SCHEDULER:
            return VarianceExploding(config.get("sigma_min", 0.01), config.get("sigma_max", 1348.0))
        return VariancePreserving(_betas(kind, config), config.get("prediction_type", "epsilon"))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise PriorError(f"the scheduler beside {checkpoint.network_folder} cannot be used: {error}") from error


def _betas(kind: str, config: dict[str, Any]) -> Tensor:
    import diffusers

    betas: Tensor = getattr(diffusers, kind).from_config(config).betas
    return betas


def _is_safe(folder: Path) -> bool:
    return any(folder.glob("*.safetensors"))


def _load_network(folder: Path) -> nn.Module:
    """The weights, from safetensors or from a pickle that may hold nothing but tensors."""
    from diffusers import UNet2DModel

    try:
        model, report = UNet2DModel.from_pretrained(
            str(folder), use_safetensors=_is_safe(folder), local_files_only=True, low_cpu_mem_usage=False, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, pickle.UnpicklingError) as error:
        raise PriorError(f"the network in {folder} cannot be loaded: {str(error).strip()}") from error
    if wrong := {k: v for k, v in report.items() if v}:
        raise PriorError(f"the weights in {folder} do not fit its {CONFIG}: {wrong}")
    network: nn.Module = model.float()
    return network
