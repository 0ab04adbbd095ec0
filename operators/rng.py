"""Seeded randomness shared by simulation and sampling."""

from __future__ import annotations

import numpy as np
import torch

MEASUREMENT, SAMPLE, POPULATION, TRAINING, MASK, PROBE = 1, 2, 3, 4, 5, 6
"""What a stream is for: the first number of its path, so that no two uses of one seed share noise."""


def generator_for(seed: int, *path: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator whose stream is a hash of ``(seed, *path)``, so that neighbouring seeds are independent.

    ``seed`` and ``path`` are non-negative integers. Raises ``ValueError`` otherwise.
    """
    word = int(np.random.SeedSequence((seed, *path)).generate_state(1, np.uint64)[0])
    return torch.Generator(device=device).manual_seed(word >> 1)
