"""What every prior with a network has in common: weights, precision, and the noise levels that it was trained on."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from dpnp.errors import ShapeError
from dpnp.priors.base import ImageShape, check_denoiser_input
from dpnp.priors.noise_range import RangeWatch
from dpnp.priors.precision import Precision, network_dtype

Compilation = Literal["none", "fuse", "graphs"]


class NetworkPrior(ABC):
    """A frozen network, its weights laid out channels last, which convolutions prefer on CPUs and tensor cores.

    ``sigma_range`` are the trained noise levels in [-1, 1] scale. Images stay in float32; :meth:`tune` chooses the precision inside the
    network. ``card`` says where the weights are from. ``network.unit`` is the number of pixels that the image's
    sides must be multiples of, None when the network is for one size.
    """

    dtype = torch.float32

    def __init__(
        self,
        network: nn.Module,
        image_shape: ImageShape,
        *,
        sigma_range: tuple[float, float],
        name: str = "",
        card: dict[str, Any] | None = None,
    ) -> None:
        self.network = channels_last(network.eval().requires_grad_(False))
        self._image_shape = image_shape
        self.sigma_range = sigma_range
        self._watch = RangeWatch(*sigma_range)
        self.name = name
        self.card = card or {}
        self._graphs = False

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of one image."""
        return self._image_shape

    @property
    def device(self) -> torch.device:
        """The device that holds the weights."""
        return next(self.network.parameters()).device

    def sized(self, height: int, width: int) -> Self:
        """The same network for images of another size, which convolutions take; it shares the weights.

        Raises :class:`dpnp.ShapeError` when the network cannot halve such sides, or is for one size only.
        """
        unit = self.network.unit
        if not isinstance(unit, int):
            raise ShapeError(f"the prior {self.name!r} is for images {self._image_shape} only: a part of it is not convolutional")
        if height % unit or width % unit or min(height, width) < 1:
            raise ShapeError(f"expected sides that are multiples of {unit}, got {height} x {width}")
        other = copy.copy(self)
        other._image_shape = (self._image_shape[0], height, width)
        return other

    def state_dict(self) -> dict[str, Tensor]:
        """The weights."""
        return self.network.state_dict()

    def to(self, device: torch.device | str) -> Self:
        """Move the weights to ``device`` in place; returns the prior."""
        self.network.to(device)
        return self

    @property
    def weight_bytes(self) -> int:
        """Memory that the weights take."""
        return sum(weight.nbytes for weight in self.network.state_dict().values())

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x0 + sigma e = x]; see :class:`dpnp.priors.base.Prior`. Differentiable in ``x``.

        A noise level outside ``sigma_range`` is clamped, with one :class:`dpnp.NoiseRangeWarning` per prior. Below the range the score is
        that of the lowest level, ``D = x + (s / s_min)² (D(x, s_min) - x)``; above it x is scaled down to the highest level's size,
        ``D(x s_max / s, s_max)``. Both are right in the limits s -> 0 and s -> infinity.

        Raises ``ValueError`` when the shapes are not (B, C, H, W) and (B,).
        """
        check_denoiser_input(x, sigma, self._image_shape)
        self._watch(sigma)
        low, high = self.sigma_range
        shrink, keep = (r.reshape(-1, 1, 1, 1).clamp_max(1) for r in (high / sigma, (sigma / low).square()))
        return torch.lerp(x, self.answer(x * shrink, sigma.clamp(low, high)), keep)

    @abstractmethod
    def answer(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The network's D(x, sigma) within ``sigma_range``."""

    @property
    def body(self) -> nn.Module:
        """The part of the network that may be in reduced precision."""
        return self.network

    def tune(self, precision: Precision = "auto", compilation: Compilation = "none") -> Self:
        """Choose how the network computes, in place; returns the prior. Weights that were rounded to bfloat16 stay rounded.

        ``precision``: ``auto`` is bfloat16 where that is faster, see :func:`dpnp.priors.precision.network_dtype`. ``compilation``: ``fuse``
        compiles the network with torch.compile for each shape that it meets; ``graphs`` replays it as a CUDA graph besides, for fixed
        shapes on a GPU.
        """
        nn.Module.to(self.body, network_dtype(precision, self.body))  # diffusers warns of its own `to`, which does the same
        if compilation != "none":
            self.network.compile(mode="reduce-overhead" if compilation == "graphs" else "default", dynamic=False)
        self._graphs = compilation == "graphs"
        return self

    def call(self, x: Tensor, label: Tensor) -> Tensor:
        """The network on ``x`` (B, C, H, W) and one label per image (B,), in its own precision; the answer is in float32."""
        raw: Tensor = self.network(x.contiguous(memory_format=torch.channels_last), label)
        if self._graphs:
            raw = raw.clone()  # the next replay writes to the same memory
        return raw.to(x.dtype).contiguous()


def channels_last(network: nn.Module) -> nn.Module:
    """The same network with its weights laid out channels last."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from the stubs
