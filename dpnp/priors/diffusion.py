"""Network priors in a foreign parametrisation."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dpnp.priors.base import ImageShape
from dpnp.priors.network import NetworkPrior
from dpnp.priors.parametrisations import Parametrisation


class DiffusionPrior(NetworkPrior):
    """A network ``network(x, label)`` read through its ``parametrisation``."""

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

    def answer(self, x: Tensor, sigma: Tensor) -> Tensor:
        """See :class:`dpnp.priors.network.NetworkPrior`."""
        return self._parametrisation.denoise(self.call, x, sigma)
