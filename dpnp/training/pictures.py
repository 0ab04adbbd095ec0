"""Picture files of any kind as training images of one size and colour."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator
from torch import Tensor
from tqdm import tqdm

from dpnp.training.data import DatasetError, ImageDataset

Colour = Literal["auto", "grey", "rgb"]
Fit = Literal["crop", "resize"]
GREY_MODES = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F", "LA")
UNREADABLE = (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError)
SPLIT_SEED = 0

T = TypeVar("T")
Source = tuple[str, Callable[[], Image.Image]]
"""A picture's name for messages, and how to open it."""


class Preparation(BaseModel):
    """How pictures become images: ``size`` (H, W), or None where all have one size; ``fit`` to another aspect ratio by ``crop`` about
    the centre or by ``resize``; ``colour``, ``auto`` being grey where all pictures are; the share ``validation`` is kept aside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[PositiveInt, PositiveInt] | None = None
    colour: Colour = "auto"
    fit: Fit = "crop"
    validation: float = Field(0.02, ge=0, le=0.5)

    @field_validator("size", mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        """A word: "64" is a square, "48x64" a height and a width."""
        if not isinstance(value, str):
            return value
        sides = value.split("x")
        return (sides * 2)[:2] if len(sides) < 3 else sides


def load_folder(folder: Path, how: Preparation) -> ImageDataset:
    """All pictures under ``folder``, in the order of their names. What is no picture by its name's ending is passed over.

    Raises :class:`DatasetError` when there are fewer than two, one cannot be read, or sizes differ and none is given.
    """
    known = Image.registered_extensions()
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in known and path.is_file())
    return load_pictures([(str(path.relative_to(folder)), _opener(path)) for path in paths], str(folder), how)


def load_packed(data: np.ndarray, offsets: np.ndarray, where: str, how: Preparation) -> ImageDataset:
    """Picture files joined into one array of bytes, ``data[offsets[i]:offsets[i + 1]]`` the i-th. Raises :class:`DatasetError`."""
    bounds = offsets.tolist() if offsets.ndim == 1 and offsets.dtype.kind in "iu" else []
    if data.dtype != np.uint8 or data.ndim != 1 or len(bounds) < 2:
        raise DatasetError(f"expected 'data' uint8 (N,) and 'offsets' integers (n + 1,) in {where}, got {_is(data)} and {_is(offsets)}")
    if bounds[-1] < len(data):
        bounds.append(len(data))
    if bounds[0] < 0 or bounds[-1] > len(data) or any(a > b for a, b in pairwise(bounds)):
        raise DatasetError(f"the offsets in {where} do not grow from 0 to the {len(data)} bytes of its data")
    files = [data[a:b].tobytes() for a, b in pairwise(bounds)]
    return load_pictures([(f"picture {i}", _opener(file)) for i, file in enumerate(files)], where, how)


def load_pictures(sources: Sequence[Source], where: str, how: Preparation) -> ImageDataset:
    """Read, fit and split the pictures. Raises :class:`DatasetError`."""
    if len(sources) < 2:
        raise DatasetError(f"expected at least two pictures in {where}, found {len(sources)}")
    size, grey = _survey(sources, where, how)
    images = torch.empty(len(sources), 1 if grey else 3, *size, dtype=torch.uint8)
    for i, source in enumerate(tqdm(sources, desc="reading pictures", unit="picture", dynamic_ncols=True, disable=None)):
        images[i] = _read(source, where, lambda picture: fitted(picture, size, grey, how.fit))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SPLIT_SEED))
    kept = min(len(images) - 1, max(1, round(how.validation * len(images))))
    return ImageDataset(train=images[order[kept:]], val=images[order[:kept]])


def fitted(picture: Image.Image, size: tuple[int, int], grey: bool, fit: Fit) -> Tensor:
    """``picture`` upright, as uint8 (C, H, W) of ``size``."""
    upright = _eight_bits(ImageOps.exif_transpose(picture)).convert("L" if grey else "RGB")
    wanted = size[1], size[0]
    if upright.size != wanted:
        method = Image.Resampling.LANCZOS
        upright = ImageOps.fit(upright, wanted, method) if fit == "crop" else upright.resize(wanted, method)
    pixels = np.array(upright, dtype=np.uint8)
    return torch.from_numpy(pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Sixteen bits are scaled to eight, which Pillow would clip."""
    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture, dtype=np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    return picture


def _survey(sources: Sequence[Source], where: str, how: Preparation) -> tuple[tuple[int, int], bool]:
    """The size and whether all is grey, from the files' headers."""
    if how.size is not None and how.colour != "auto":
        return how.size, how.colour == "grey"
    headers = [_read(source, where, lambda picture: (picture.size, picture.mode in GREY_MODES)) for source in sources]
    sizes = {size for size, _ in headers}
    if how.size is None and len(sizes) > 1:
        (w, h), (w2, h2) = sorted(sizes)[0], sorted(sizes)[-1]
        raise DatasetError(f"the pictures in {where} have sizes from {h} x {w} to {h2} x {w2} pixels: give the size of the images")
    width, height = headers[0][0]
    grey = all(is_grey for _, is_grey in headers) if how.colour == "auto" else how.colour == "grey"
    return how.size or (height, width), grey


def _opener(file: Path | bytes) -> Callable[[], Image.Image]:
    return lambda: Image.open(io.BytesIO(file) if isinstance(file, bytes) else file)


def _read(source: Source, where: str, use: Callable[[Image.Image], T]) -> T:
    name, opener = source
    try:
        with warnings.catch_warnings(action="ignore"), opener() as picture:
            return use(picture)
    except UNREADABLE as error:
        raise DatasetError(f"{name} in {where} is no readable picture: {error}") from error


def _is(array: np.ndarray) -> str:
    return f"{array.dtype} {array.shape}"
