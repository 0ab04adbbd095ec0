"""The variance-preserving ladder that the guided baselines walk down (Ho et al. 2020: 1000 linear betas)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

TRAIN_STEPS, BETA_FIRST, BETA_LAST = 1000, 1e-4, 2e-2


@dataclass(frozen=True)
class Rung:
    """One step t -> t-1 of the ladder: cumulative signal power before and after, and their ratio ``alpha``."""

    abar: float
    abar_next: float

    @property
    def alpha(self) -> float:
        """abar_t / abar_{t-1}."""
        return self.abar / self.abar_next

    @property
    def sigma(self) -> float:
        """Noise level of X_t / sqrt(abar_t), the variance-exploding view that the denoiser takes."""
        return ((1 - self.abar) / self.abar) ** 0.5


def ladder(steps: int) -> list[Rung]:
    """``steps`` rungs from t = 1000 to 0, at evenly spaced times of the linear schedule."""
    abar = np.concatenate([[1.0], np.cumprod(1 - np.linspace(BETA_FIRST, BETA_LAST, TRAIN_STEPS))])
    times = np.unique(np.round(np.linspace(0, TRAIN_STEPS, steps + 1)).astype(int))[::-1]
    return [Rung(float(abar[t]), float(abar[s])) for t, s in pairwise(times)]
