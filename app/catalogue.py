"""The priors that the service offers: the shipped ones and, by sub-folder name, those of the folder ``DPNP_PRIORS``."""

from __future__ import annotations

import logging
from collections import OrderedDict
from pathlib import Path

import dpnp
from dpnp import Prior, PriorError, PriorInfo
from dpnp.priors import candidates, prior_info

log = logging.getLogger(__name__)


class UnknownPriorError(LookupError):
    """No prior has this name; the message lists the known ones."""


def _offered(folder: Path) -> list[PriorInfo]:
    """The usable priors of a user's folder; a broken one is logged and left out."""
    found: list[PriorInfo] = []
    for path in candidates(folder):
        try:
            found.append(prior_info(path))
        except PriorError as error:
            log.warning("prior %s is left out: %s", path.name, error)
    return found


class PriorCatalogue:
    """Names, shapes and folders of the priors; no weights are loaded."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def all(self) -> list[PriorInfo]:
        """The priors by name; a user's prior hides a shipped one of the same name."""
        infos = {info.name: info for info in [*dpnp.list_priors(), *(_offered(self._folder) if self._folder else [])]}
        return [infos[name] for name in sorted(infos)]

    def get(self, name: str) -> PriorInfo:
        """The prior of that name. Raises :class:`UnknownPriorError`."""
        infos = {info.name: info for info in self.all()}
        if name not in infos:
            raise UnknownPriorError(f"unknown prior {name!r}; known: {', '.join(infos) or 'none'}")
        return infos[name]


class LoadedPriors:
    """Priors in memory, the most recently used ``capacity`` of them."""

    def __init__(self, catalogue: PriorCatalogue, device: str, capacity: int) -> None:
        self._catalogue, self._capacity = catalogue, capacity
        self._device = None if device == "auto" else device
        self._loaded: OrderedDict[str, Prior] = OrderedDict()

    def get(self, name: str) -> Prior:
        """The prior, loaded when it is not in memory. Raises :class:`UnknownPriorError` or ``dpnp.PriorError``."""
        if name not in self._loaded:
            folder = self._catalogue.get(name).folder
            while len(self._loaded) >= self._capacity:
                self._loaded.popitem(last=False)
            self._loaded[name] = dpnp.load_prior(folder, device=self._device)
        self._loaded.move_to_end(name)
        return self._loaded[name]
