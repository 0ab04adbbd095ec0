"""The priors that the service offers: the shipped ones and, by their names, those in the folder ``DPNP_PRIORS``."""

from __future__ import annotations

import logging
from collections import OrderedDict
from pathlib import Path

import dpnp
from dpnp import PriorError, PriorInfo
from dpnp.priors import NetworkPrior, candidates, prior_info, weight_files
from dpnp.priors.precision import Precision

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
    """Priors in memory: the most recently used ones whose weights take at most ``budget`` bytes, and always the last one."""

    def __init__(self, catalogue: PriorCatalogue, device: str, budget: int, precision: Precision = "auto") -> None:
        self._catalogue, self._budget = catalogue, budget
        self._device, self._precision = None if device == "auto" else device, precision
        self._loaded: OrderedDict[str, NetworkPrior] = OrderedDict()
        self.names: tuple[str, ...] = ()
        """The priors in memory; may be read by another thread."""

    def get(self, name: str) -> NetworkPrior:
        """The prior, loaded when it is not in memory. Raises :class:`UnknownPriorError` or ``dpnp.PriorError``."""
        if name not in self._loaded:
            path = self._catalogue.get(name).folder
            self._make_room(_file_bytes(path))
            self._loaded[name] = dpnp.load_prior(path, self._device, self._precision)
            log.info("prior %s is loaded: %.1f MB", name, self._loaded[name].weight_bytes / 2**20)
        self._loaded.move_to_end(name)
        self._make_room(0, keep=1)
        return self._loaded[name]

    def _make_room(self, wanted: int, keep: int = 0) -> None:
        """Drop the least recently used priors until ``wanted`` more bytes fit, or only ``keep`` are left."""
        while len(self._loaded) > keep and wanted + sum(prior.weight_bytes for prior in self._loaded.values()) > self._budget:
            log.info("prior %s is dropped from memory", self._loaded.popitem(last=False)[0])
        self.names = tuple(self._loaded)


def _file_bytes(path: Path) -> int:
    """At least what the prior will take: files may hold half precision."""
    return sum(file.stat().st_size for file in weight_files(path) if file.is_file())
