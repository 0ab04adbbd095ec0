"""Guided-diffusion (ADM) checkpoints: OpenAI's unconditional models and networks trained with the same code, such as ``ffhq_10m``."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from dpnp.errors import PriorError
from dpnp.priors.adm.architecture import Architecture
from dpnp.priors.adm.files import SUFFIXES, About, about, architecture, read_state
from dpnp.priors.adm.unet import ADMUNet
from dpnp.priors.base import ImageShape
from dpnp.priors.diffusion import DiffusionPrior
from dpnp.priors.info import PriorInfo
from dpnp.priors.parametrisations import VariancePreserving
from dpnp.priors.unconditional import check_channels

__all__ = ["ADMUNet", "Architecture", "build", "info", "load", "recognises", "weight_files"]


def recognises(path: Path) -> bool:
    """Whether ``path`` is a file of weights."""
    return path.is_file() and path.suffix in SUFFIXES


def info(path: Path) -> PriorInfo:
    """What the tensors' shapes and the JSON file beside them say. Raises :class:`dpnp.PriorError`."""
    notes = about(path)
    shape = _image_shape(path, architecture(path), notes)
    return PriorInfo(path.stem, shape, notes.licence, notes.source, notes.summary, path)


def weight_files(path: Path) -> list[Path]:
    """The file itself."""
    return [path]


def load(path: Path, *, name: str, device: torch.device | str) -> DiffusionPrior:
    """The prior in ``path``. Raises :class:`dpnp.PriorError` with the cause when it cannot be used."""
    notes, found = about(path), architecture(path)
    shape = _image_shape(path, found, notes)
    network = build(found, head_channels=notes.head_channels, legacy=notes.attention_order == "legacy")
    _fill(network, read_state(path), path)
    parametrisation = VariancePreserving(_betas(notes), notes.prediction)
    card = notes.model_dump() | {"architecture": vars(found)}
    return DiffusionPrior(network, parametrisation, shape, name=name, card=card).to(device)


def build(found: Architecture, *, head_channels: int = 64, legacy: bool = True) -> ADMUNet:
    """The network without storage for its weights. Raises :class:`dpnp.PriorError` when it cannot have such heads."""
    wide = [c for c, used in zip(found.channels, found.attention, strict=True) if used] + [found.channels[-1]]
    if any(c > head_channels and c % head_channels for c in wide):
        raise PriorError(
            f"attention over {wide} channels cannot have heads of {head_channels}: set head_channels in the JSON file beside it"
        )
    with torch.device("meta"):
        return ADMUNet(found, head_channels=head_channels, legacy=legacy)


def _fill(network: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    wrong = [key for key in sorted({*expected, *given}) if expected.get(key) != given.get(key)]
    if wrong:
        first = f"{wrong[0]} is {given.get(wrong[0], 'missing')}, expected {expected.get(wrong[0], 'none')}"
        raise PriorError(f"{path} is of no known guided-diffusion architecture: {first}; {len(wrong)} tensors differ")
    network.load_state_dict({key: value.to(torch.float32, copy=True) for key, value in state.items()}, assign=True)


def _image_shape(path: Path, found: Architecture, notes: About) -> ImageShape:
    size = notes.image_size or found.image_size
    check_channels(path, found.in_channels, found.out_channels)
    if size is None:
        raise PriorError(f"{path} does not tell the size of its images: write it into {path.with_suffix('.json').name}, as image_size")
    height, width = size if isinstance(size, tuple) else (size, size)
    unit = 2 ** (len(found.channels) - 1)
    if height % unit or width % unit:
        raise PriorError(f"image_size of {path} must be multiples of {unit}, got {height} x {width}")
    return found.in_channels, height, width


def _betas(notes: About) -> Tensor:
    """Guided-diffusion's schedules: linear with ends scaled to the number of steps, or Nichol & Dhariwal's cosine."""
    if notes.noise_schedule == "linear":
        return torch.linspace(0.1 / notes.steps, 20 / notes.steps, notes.steps, dtype=torch.float64)
    t = torch.arange(notes.steps + 1, dtype=torch.float64) / notes.steps
    signal = torch.cos((t + 0.008) / 1.008 * torch.pi / 2).square()
    return (1 - signal[1:] / signal[:-1]).clamp_max(0.999)
