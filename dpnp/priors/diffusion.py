"""Network priors in a foreign parametrisation, and what they answer outside the noise levels of their training."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from dpnp.errors import NoiseRangeWarning
from dpnp.priors.base import ImageShape, check_denoiser_input
from dpnp.priors.network import NetworkPrior
from dpnp.priors.parametrisations import Parametrisation


class DiffusionPrior(NetworkPrior):
    """A network ``network(x, label)`` read through its ``parametrisation``.

    A noise level outside ``sigma_range`` is clamped, with one :class:`dpnp.NoiseRangeWarning` per prior. Below the range the score is
    that of the lowest level, ``D = x + (s / s_min)² (D(x, s_min) - x)``; above it x is scaled down to the highest level's size,
    ``D(x s_max / s, s_max)``. Both are right in the limits s -> 0 and s -> infinity.
    """

    def __init__(
        self,
        network: nn.Module,
        parametrisation: Parametrisation,
        image_shape: ImageShape,
        *,
        name: str = "",
        card: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(network, image_shape, sigma_range=parametrisation.sigma_range, name=name, card=card)
        self._parametrisation = parametrisation
        self._watch = RangeWatch(*self.sigma_range)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x]; see :class:`dpnp.priors.base.Prior`. Differentiable in ``x``.

        Raises ``ValueError`` when the shapes are not (B, C, H, W) and (B,).
        """
        check_denoiser_input(x, sigma, self._image_shape)
        self._watch(sigma)
        low, high = self.sigma_range
        shrink, keep = (r.reshape(-1, 1, 1, 1).clamp_max(1) for r in (high / sigma, (sigma / low).square()))
        denoised = self._parametrisation.denoise(self.call, x * shrink, sigma.clamp(low, high))
        return torch.lerp(x, denoised, keep)


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
