"""The faces that the methods are scored on, and others that the baselines are tuned on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

TUNING = 4


@dataclass(frozen=True)
class Faces:
    """Images (n, C, H, W) in [-1, 1]: the first of the validation set are scored, its last four serve the tuning."""

    scored: Tensor
    tuning: Tensor

    @classmethod
    def read(cls, path: Path, n: int, image_shape: tuple[int, int, int]) -> Faces:
        """``val`` of an .npz file: uint8 (N, H, W) or (N, H, W, C). Raises ``ValueError`` when it does not hold enough such images."""
        with np.load(path) as file:
            if "val" not in file:
                raise ValueError(f"expected an array 'val' in {path}, got {', '.join(file) or 'none'}")
            pixels = torch.from_numpy(file["val"])
        images = (pixels[:, None] if pixels.ndim == 3 else pixels.movedim(-1, 1)).float() / 127.5 - 1
        if tuple(images.shape[1:]) != tuple(image_shape):
            raise ValueError(f"the prior is for images {tuple(image_shape)}, {path} holds {tuple(images.shape[1:])}")
        if n + TUNING > len(images):
            raise ValueError(f"{n} faces to score and {TUNING} to tune on are more than the {len(images)} in {path}")
        return cls(images[:n], images[-TUNING:])
