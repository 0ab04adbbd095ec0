"""Spec and measurement in, posterior out: a pure function of its inputs, with no web and no store in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

import dpnp
from app.jobs import Spec
from app.problem import build_model, build_sampler
from dpnp import Posterior, Prior, Run
from dpnp.samplers import Sampler
from operators import ForwardModel

log = logging.getLogger(__name__)


def _nothing(*_: object) -> None:
    return None


@dataclass(frozen=True)
class Hooks:
    """What the outside may do while a job runs."""

    before_call: Callable[[], None] = _nothing
    """Called before every call of the denoiser; an exception stops the run there."""
    after_step: Callable[[Run], None] = _nothing
    """Called when a step is done."""


@dataclass(frozen=True)
class Solution:
    """A posterior and what it was computed with."""

    posterior: Posterior
    model: ForwardModel
    sampler: Sampler
    device: str


def solve(
    spec: Spec,
    measurement: np.ndarray,
    prior: Prior,
    *,
    stored: Mapping[str, np.ndarray] | None = None,
    batch_size: int | None = None,
    checkpoint: dict[str, Any] | None = None,
    hooks: Hooks | None = None,
) -> Solution:
    """Sample the posterior, from the start or from a ``checkpoint`` of the same problem (``Run.state_dict``).

    ``stored`` is what was kept beside the measurement, such as a mask.
    ``batch_size`` is the number of images per denoiser call, all if not given.
    A checkpoint that this version cannot continue, such as another version's, is passed over.
    Raises :class:`app.problem.SpecError`, the errors of ``dpnp.sample``, and whatever a hook raises.
    """
    hooks = hooks or Hooks()
    model, sampler = build_model(spec.operator, prior.image_shape, stored), build_sampler(spec.sampler)
    y = torch.from_numpy(measurement)
    start = partial(dpnp.start, prior, model, y, sampler=sampler, n_samples=spec.n_samples, seed=spec.seed, batch_size=batch_size)
    run = start() if checkpoint is None else _resumed(start(), checkpoint) or start()
    run.on_denoiser_call = hooks.before_call
    while not run.done:
        run.step()
        hooks.after_step(run)
    return Solution(run.posterior(), model, sampler, _device_name(prior.device))


def _resumed(run: Run, checkpoint: dict[str, Any]) -> Run | None:
    try:
        run.load_state_dict(checkpoint)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        log.warning("a checkpoint is passed over, because it cannot be continued: %r", error)
        return None
    return run


def _device_name(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
