"""From the names on a command line to priors and specs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from app.jobs import ProblemSpec
    from dpnp import Prior, PriorInfo

SpecT = TypeVar("SpecT", bound="ProblemSpec")

MAX_PIXELS = 2**28  # numbers in a file that a user names himself


def prior_info(name: str | None) -> PriorInfo:
    """The prior of that name, path or Hugging Face id, or the default one; its weights are not loaded.

    Raises :class:`app.catalogue.UnknownPriorError`, which lists the known names, or ``dpnp.PriorError``.
    """
    from app.catalogue import PriorCatalogue, UnknownPriorError
    from app.settings import Settings
    from dpnp.priors import find_prior
    from dpnp.priors.hub import is_id

    settings = Settings()
    wanted = name or settings.prior
    try:
        return PriorCatalogue(settings.priors).get(wanted)
    except UnknownPriorError as error:
        if not Path(wanted).exists() and not is_id(wanted):
            raise UnknownPriorError(f"{error}; and there is no file or folder of that name") from error
        return find_prior(wanted)


def load(info: PriorInfo) -> Prior:
    """The prior with its weights, on the device of the settings."""
    import dpnp
    from app.settings import Settings

    settings = Settings()
    return dpnp.load_prior(info.folder, None if settings.device == "auto" else settings.device, settings.precision)


def make_spec(kind: type[SpecT], **fields: Any) -> SpecT:
    """A spec, checked as the service checks it. Raises :class:`app.problem.SpecError`."""
    from app.problem import parse_spec

    return parse_spec(json.dumps(fields), kind)
