"""What a network is asked outside the noise levels of its training."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from dpnp.errors import NoiseRangeWarning


class RangeWatch:
    """Warns once of a noise level outside [low, high], without making the host wait for the device.

    A GPU's answer is looked at on a later call.
    """

    SLACK = 1e-3  # relative: rounding is not a level outside the range

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self._outside: Tensor | None = None  # on the device
        self._seen = torch.zeros((), dtype=torch.bool, pin_memory=torch.cuda.is_available())
        self._warned = False

    def __call__(self, sigma: Tensor) -> None:
        if self._warned or sigma.device.type == "meta":
            return
        outside = ((sigma < self.low * (1 - self.SLACK)) | (sigma > self.high * (1 + self.SLACK))).any()
        self._outside = outside if self._outside is None else self._outside | outside
        self._seen.copy_(self._outside, non_blocking=True)
        if self._seen.item():
            self._warned = True
            message = (
                f"a noise level outside the prior's trained range, {self.low:.4g} to {self.high:.4g} in [-1, 1] scale, is clamped to it"
            )
            warnings.warn(message, NoiseRangeWarning, stacklevel=3)
