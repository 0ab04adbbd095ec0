"""From a measurement to a posterior: ``start`` for a run that can be stepped, saved and resumed, ``sample`` for the whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from dpnp.diagnostics import doubts, mixing
from dpnp.errors import DivergedError, ShapeError, UnsupportedError
from dpnp.posterior import Posterior
from dpnp.priors.base import Prior
from dpnp.priors.batched import BatchedPrior
from dpnp.priors.cost import largest_batch
from dpnp.rng import SampleStreams
from dpnp.samplers.base import Info, Sampler, no_grad_step
from dpnp.samplers.dpnp import DPnP
from operators import ForwardModel


class Run:
    """A sampling run: all samples advance together, one sampler step at a time."""

    def __init__(
        self, prior: Prior, model: ForwardModel, y: Tensor, sampler: Sampler, n_samples: int, seed: int, batch_size: int | None
    ) -> None:
        _check_problem(prior, model, y, n_samples)
        if model.hidden and not sampler.samples_hidden:
            raise UnsupportedError(f"{sampler.name} cannot sample the unknown {', '.join(model.hidden)}; use dpnp, or give it")
        self.model = model
        self.y = y.detach().to(prior.device, prior.dtype)
        self._prior = BatchedPrior(prior, largest_batch(prior, n_samples) if batch_size is None else batch_size)
        self._kernel = sampler.kernel(self._prior, model, self.y)
        self._streams = SampleStreams(seed, range(n_samples), prior.device, prior.dtype)
        self._state = self._kernel.init(self._streams)
        self._info: Info = {}
        self._seconds = 0.0

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self._kernel.total

    @property
    def step_index(self) -> int:
        """Steps done."""
        return self._state.step

    @property
    def done(self) -> bool:
        """Whether the posterior is ready."""
        return self.step_index >= self.total

    @property
    def current(self) -> Tensor:
        """The samples as they stand, (n, C, H, W)."""
        return self._state.x

    @property
    def on_denoiser_call(self) -> Callable[[], None] | None:
        """Called before every call of the denoiser; an exception that it raises stops the run there."""
        return self._prior.on_call

    @on_denoiser_call.setter
    def on_denoiser_call(self, callback: Callable[[], None] | None) -> None:
        self._prior.on_call = callback

    def step(self) -> None:
        """One step of all samples. Raises :class:`dpnp.DivergedError` when a chain left the finite numbers."""
        if self.done:
            raise RuntimeError(f"the run is complete: {self.total} of {self.total} steps are done")
        started = time.perf_counter()
        self._state, self._info = no_grad_step(self._kernel, self._state, self._streams)
        self._check_finite()
        self._seconds += time.perf_counter() - started

    def _check_finite(self) -> None:
        finite = torch.isfinite(self._state.x).flatten(1).all(1)
        if not bool(finite.all()):
            bad = (~finite).nonzero().flatten().tolist()
            raise DivergedError(f"NaN or infinity after step {self.step_index} of {self.total} in samples {bad}: the chain diverged")

    def state_dict(self) -> dict[str, Any]:
        """A checkpoint for ``torch.save``: chains, streams and statistics."""
        info = {k: v.cpu() for k, v in self._info.items()}
        return {"state": self._state.state_dict(), "streams": self._streams.state_dict(), "info": info, "seconds": self._seconds}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue a checkpoint of the same problem and settings; bit for bit on the CPU."""
        self._streams.load_state_dict(saved["streams"])
        self._state = self._state.restored(saved["state"])
        self._info = {k: v.to(self.y.device) for k, v in saved["info"].items()}
        self._seconds = saved["seconds"]

    def posterior(self) -> Posterior:
        """The result. Raises ``RuntimeError`` before the last step."""
        if not self.done:
            raise RuntimeError(f"the run is not complete: {self.step_index} of {self.total} steps are done")
        draws = self._state.draws.cpu()
        numbers = self._numbers() | mixing(draws)
        hidden = {name: value.cpu() for name, value in self._hidden().items()}
        warnings, per_chain = doubts(numbers, len(draws)), draws.shape[1]
        return Posterior(draws.flatten(0, 1), self._kernel.nfe, numbers, warnings, draws_per_chain=per_chain, hidden=hidden)

    def _hidden(self) -> dict[str, Tensor]:
        """What the model has unknown beside the images, one value per sample."""
        return {name: self._state.memory[name] for name in self.model.hidden}

    def _numbers(self) -> dict[str, float]:
        model = self.model.given(self._hidden())
        with torch.no_grad():
            per_entry = model.log_likelihood(self.current, self.y) / self.y.numel()
            residual = model.residual(self.current, self.y)
        numbers = {name: value.double().mean().item() for name, value in self._info.items()}
        return numbers | {
            "data_residual": residual.mean().item(),
            "log_likelihood_per_measurement": per_entry.mean().item(),
            "seconds": round(self._seconds, 3),
        }


def start(
    prior: Prior,
    model: ForwardModel,
    y: Tensor,
    *,
    sampler: Sampler | None = None,
    n_samples: int = 8,
    seed: int = 0,
    batch_size: int | None = None,
) -> Run:
    """Prepare a run; see :func:`sample` for the arguments and errors. Nothing is computed before ``run.step()``."""
    return Run(prior, model, torch.as_tensor(y), sampler or DPnP(), n_samples, seed, batch_size)


def sample(
    prior: Prior,
    model: ForwardModel,
    y: Tensor,
    *,
    sampler: Sampler | None = None,
    n_samples: int = 8,
    seed: int = 0,
    batch_size: int | None = None,
    progress: bool = False,
) -> Posterior:
    """Draw ``n_samples`` images from p(x | y) ∝ p(x) p(y | x).

    ``y`` is one measurement of shape ``model.measurement_shape``. ``sampler`` defaults to :class:`dpnp.DPnP`. Sample i depends on
    (``seed``, i) alone: not on ``n_samples`` or ``batch_size``, the number of images per denoiser call (to floating-point tolerance;
    default: all, or as many as the GPU has memory for).

    Raises :class:`dpnp.ShapeError` when prior, model and measurement do not fit, :class:`dpnp.MeasurementError` for NaN in ``y``,
    :class:`dpnp.UnsupportedError` for a method that the model's structure does not allow, :class:`dpnp.DivergedError` when a chain
    leaves the finite numbers.
    """
    run = start(prior, model, y, sampler=sampler, n_samples=n_samples, seed=seed, batch_size=batch_size)
    for _ in tqdm(range(run.total), desc="sampling", disable=not progress, dynamic_ncols=True):
        run.step()
    return run.posterior()


def _check_problem(prior: Prior, model: ForwardModel, y: Tensor, n_samples: int) -> None:
    if tuple(prior.image_shape) != tuple(model.image_shape):
        raise ShapeError(f"the prior is for {_kind(prior.image_shape)}, the forward model for {_kind(model.image_shape)}")
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}")
    model.check_measurement(y)


def _kind(shape: tuple[int, ...]) -> str:
    """grey images (1, 64, 64)."""
    colour = {1: "grey ", 3: "RGB "}.get(shape[0], "")
    return f"{colour}images {tuple(shape)}"
