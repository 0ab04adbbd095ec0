"""Guided-diffusion files: a state dict, and beside it perhaps a JSON file with what its tensors cannot tell."""

from __future__ import annotations

import pickle
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dpnp.errors import PriorError
from dpnp.priors.about import read_about
from dpnp.priors.adm.architecture import Architecture, recognise

SUFFIXES = (".pt", ".pth", ".safetensors")
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError, SafetensorError)


class About(BaseModel):
    """``NAME.json`` beside ``NAME.pt``: every field may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_size: tuple[int, int] | int | None = Field(None, description="side or [height, width] of the images")
    head_channels: int = Field(64, ge=1, description="channels per attention head")
    attention_order: Literal["legacy", "new"] = Field("legacy", description="guided-diffusion's use_new_attention_order")
    noise_schedule: Literal["linear", "cosine"] = "linear"
    steps: int = Field(1000, ge=2, description="diffusion steps of the training")
    prediction: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    licence: str = "unknown"
    source: str = "a guided-diffusion checkpoint"
    summary: str = ""


def about(path: Path) -> About:
    """What the JSON file beside ``path`` says. Raises :class:`dpnp.PriorError` for fields that it cannot have."""
    beside = path.with_suffix(".json")
    try:
        return About.model_validate(read_about(beside))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise PriorError(f"{beside} cannot be used: {problems}") from error


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors in ``path``, in the precision of the file. Nothing in the file is executed.

    Raises :class:`dpnp.PriorError` when it cannot be read or holds something else than named tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise PriorError(
            f"{path} is a damaged file or a pickle with something else than tensors in it; nothing in it was executed"
        ) from error
    except UNREADABLE as error:
        raise PriorError(f"{path} cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        held = ", ".join(map(str, list(content)[:5])) if isinstance(content, dict) else type(content).__name__
        raise PriorError(f"{path} is no state dict of tensors, it holds {held}")
    return content


def architecture(path: Path) -> Architecture:
    """The architecture in a file, read again only when the file has changed. Raises :class:`dpnp.PriorError`."""
    try:
        stat = path.stat()
    except OSError as error:
        raise PriorError(f"{path} cannot be read: {error}") from error
    return _architecture(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _architecture(path: Path, changed: int, size: int) -> Architecture:
    return recognise({key: tuple(value.shape) for key, value in read_state(path).items()})
