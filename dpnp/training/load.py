"""From a path to training images: a folder of pictures, or an .npz file of arrays or of joined picture files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dpnp.training.data import DatasetError, ImageDataset
from dpnp.training.pictures import Preparation, load_folder, load_packed

ARRAYS, PACKED = {"train", "val"}, {"data", "offsets"}


def load_dataset(path: Path, how: Preparation | None = None) -> ImageDataset:
    """Images from a folder of pictures, from ``data`` and ``offsets`` (picture files joined into one array of bytes) in an .npz file, or
    from ``train`` and ``val`` (uint8, (N, H, W) grey or (N, H, W, 3) colour) in one, which are taken as they are.

    Raises :class:`DatasetError` when they are not of that form.
    """
    if path.is_dir():
        return load_folder(path, how or Preparation())
    try:
        archive = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is neither a folder nor a readable .npz file: {error}") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DatasetError(f"{path} holds a single array; expected an .npz file with arrays 'train' and 'val'")
    with archive:
        if set(archive.files) >= PACKED:
            return load_packed(archive["data"], archive["offsets"], str(path), how or Preparation())
        if missing := ARRAYS - set(archive.files):
            raise DatasetError(f"{path} lacks {sorted(missing)}; it holds {sorted(archive.files)}")
        train, val = (_channels_first(archive[key], f"{path}:{key}") for key in ("train", "val"))
    if train.shape[1:] != val.shape[1:]:
        raise DatasetError(f"'train' images are {tuple(train.shape[1:])} but 'val' images are {tuple(val.shape[1:])}")
    return ImageDataset(train, val)


def _channels_first(array: np.ndarray, where: str) -> Tensor:
    if array.dtype != np.uint8:
        raise DatasetError(f"{where} must be uint8, got {array.dtype}")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or len(array) == 0:
        raise DatasetError(f"{where} must be (N, H, W) or (N, H, W, 3) with N > 0, got {array.shape}")
    return torch.from_numpy(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))
