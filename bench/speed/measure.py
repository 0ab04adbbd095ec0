"""One row of the table: a prior, a batch, a precision."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

import dpnp
import operators
from bench.speed.clock import TimedPrior, peak_flops, seconds_per_call, wait
from dpnp.priors import NetworkPrior, call_cost
from dpnp.priors.network import Compilation


@dataclass(frozen=True)
class Setting:
    """What is timed: ``iterations`` of the default DPnP sampler stand for all of them."""

    model: str
    operator: str
    precision: str
    compilation: Compilation
    batch: int
    iterations: int
    seconds: float


@dataclass(frozen=True)
class Row:
    """Denoiser calls count images; bytes and seconds are per image and per posterior sample."""

    model: str
    operator: str
    precision: str
    compilation: str
    batch: int
    calls_per_second: float
    gflop_per_call: float
    peak_tflops: float
    utilisation: float
    mb_per_sample: float
    seconds_per_sample: float
    overhead: float


@torch.no_grad()
def measure(prior: NetworkPrior, setting: Setting) -> Row:
    """Time the tuned ``prior``."""
    device, batch = prior.device, setting.batch
    x = torch.randn(batch, *prior.image_shape, device=device)
    sigma = torch.full((batch,), 0.5, device=device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    per_batch = seconds_per_call(lambda: prior.denoise(x, sigma), device, setting.seconds)
    cost, weights = call_cost(prior, batch), prior.weight_bytes
    taken = torch.cuda.max_memory_allocated(device) - weights if device.type == "cuda" else cost.peak_bytes
    peak = peak_flops(device, next(prior.body.parameters()).dtype, setting.seconds)
    seconds, overhead = posterior(prior, setting.operator, batch, setting.iterations)
    return Row(
        model=setting.model,
        operator=setting.operator,
        precision=setting.precision,
        compilation=setting.compilation,
        batch=batch,
        calls_per_second=batch / per_batch,
        gflop_per_call=cost.flops / batch / 1e9,
        peak_tflops=peak / 1e12,
        utilisation=cost.flops / per_batch / peak,
        mb_per_sample=taken / batch / 1e6,
        seconds_per_sample=seconds / batch,
        overhead=overhead,
    )


def posterior(prior: NetworkPrior, operator: str, batch: int, iterations: int) -> tuple[float, float]:
    """Seconds of a default DPnP run on ``batch`` samples, and the share of them outside the image's denoiser.

    ``operator`` of the catalogue with its default parameters, of an image of noise. The first step is timed, as blind chains do more in
    it, then ``iterations`` further ones, which stand for all the others. A step of another run warms up.
    """
    timed = TimedPrior(prior)
    model = operators.build(operator, {}, prior.image_shape)
    y = model.simulate(torch.rand(prior.image_shape, generator=torch.Generator().manual_seed(0)) - 0.5, seed=0)
    dpnp.start(timed, model, y, n_samples=batch, batch_size=batch).step()
    run = dpnp.start(timed, model, y, n_samples=batch, batch_size=batch)
    first, inside_first = _timed_steps(run, timed, 1)
    more = min(iterations, run.total - 1)
    rest, inside_rest = _timed_steps(run, timed, more)
    scale = (run.total - 1) / max(1, more)
    seconds = first + scale * rest
    return seconds, max(0.0, 1 - (inside_first + scale * inside_rest) / seconds)


def _timed_steps(run: dpnp.Run, timed: TimedPrior, steps: int) -> tuple[float, float]:
    """Seconds that ``steps`` of the run take, and those of them inside the denoiser."""
    inside, started = timed.seconds, time.perf_counter()
    for _ in range(steps):
        run.step()
    wait(timed.device)
    return time.perf_counter() - started, timed.seconds - inside
