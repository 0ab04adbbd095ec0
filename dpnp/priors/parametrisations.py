"""From what a network was trained to predict to the denoiser D(x, s): one class per family of training noise.

``network(x, label)`` is what the checkpoint computes, on its own scale and with its own name for the noise level.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from dpnp.errors import PriorError

Network = Callable[[Tensor, Tensor], Tensor]
Prediction = Literal["epsilon", "sample", "v_prediction"]


class Parametrisation(Protocol):
    """How a network's answers become a denoiser."""

    @property
    def sigma_range(self) -> tuple[float, float]:
        """The lowest and highest noise level that the network was trained on, in [-1, 1] scale."""
        ...

    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x] for ``x`` (B, C, H, W), ``sigma`` (B,) within the range."""
        ...


class VariancePreserving:
    """Discrete times t = 0 .. T-1 with X_t = sqrt(abar_t) X_0 + sqrt(1 - abar_t) e, images in [-1, 1].

    ``betas`` (T,), abar_t = prod (1 - beta). At noise level s the network sees ``x / sqrt(1 + s²)`` and the fractional time at which
    the log-SNR, interpolated linearly in t, is ``-2 ln s``. Times without any signal (abar = 0) are out of range.
    Of more output channels than the image has, the further ones are a learned variance and are not used.
    Raises :class:`dpnp.PriorError` when betas or ``prediction`` are none of those.
    """

    def __init__(self, betas: Tensor, prediction: Prediction = "epsilon") -> None:
        if prediction not in get_args(Prediction):
            raise PriorError(f"the network predicts {prediction!r}, expected one of {', '.join(get_args(Prediction))}")
        log_abar = torch.log1p(-betas.double().cpu()).cumsum(0)
        log_sigma = (0.5 * (torch.log(-torch.expm1(log_abar)) - log_abar))[torch.isfinite(log_abar)]
        if betas.ndim != 1 or len(log_sigma) < 2 or not (log_sigma.diff() > 0).all():
            raise PriorError(f"expected at least two betas in (0, 1), got {len(betas)} from {betas.min():.3g} to {betas.max():.3g}")
        self.prediction = prediction
        self.sigma_range = (log_sigma[0].exp().item(), log_sigma[-1].exp().item())
        self._log_sigma = log_sigma.float()

    def time(self, sigma: Tensor) -> Tensor:
        """The fractional time of ``sigma`` (B,): the answer of the last time above the range, of the first below."""
        if self._log_sigma.device != sigma.device:
            self._log_sigma = self._log_sigma.to(sigma.device)
        table, value = self._log_sigma, sigma.float().log()
        upper = torch.searchsorted(table, value).clamp(1, len(table) - 1)
        low, high = table[upper - 1], table[upper]
        return upper - 1 + ((value - low) / (high - low)).clamp(0, 1)

    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x]; see :class:`Parametrisation`."""
        s = sigma.reshape(-1, 1, 1, 1)
        scale = torch.rsqrt(1 + s.square())  # sqrt(abar)
        raw = network(x * scale, self.time(sigma))[:, : x.shape[1]]
        if self.prediction == "sample":
            return raw
        if self.prediction == "epsilon":
            return x - s * raw
        return scale.square() * x - s * scale * raw  # v = sqrt(abar) e - sqrt(1 - abar) x0


class VarianceExploding:
    """X_s = X_0 + s e with images in [0, 1] and a network that answers the score there (Song et al. 2021, "score SDE").

    The label is the noise level in [0, 1] scale, half of that in [-1, 1]. ``sigma_range`` is in [-1, 1] scale.
    """

    def __init__(self, sigma_min: float, sigma_max: float) -> None:
        """Range in the checkpoint's own [0, 1] scale. Raises :class:`dpnp.PriorError` when it is empty."""
        if not 0 < sigma_min < sigma_max:
            raise PriorError(f"expected 0 < sigma_min < sigma_max, got {sigma_min} and {sigma_max}")
        self.sigma_range = (2 * sigma_min, 2 * sigma_max)

    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x]; see :class:`Parametrisation`."""
        half = sigma / 2
        score = network((x + 1) / 2, half)[:, : x.shape[1]]  # with respect to an image in [0, 1]
        return x + 2 * half.square().reshape(-1, 1, 1, 1) * score
