"""One cell of the table: one method on one task, over all faces."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

import dpnp
from bench._tuning import best_step_size
from bench.faces.methods import Method, gradient_calls
from bench.faces.metrics import crps, psnr, ssim
from bench.posterior.metrics import coverage, ranks
from dpnp import Posterior
from dpnp.priors import Prior
from dpnp.samplers import Sampler
from operators import ForwardModel

Distance = Callable[[Tensor, Tensor], Tensor]
"""LPIPS of grey or colour images (B, C, H, W) in pairs: (B,)."""


@dataclass(frozen=True)
class Bench:
    """What all cells share: the prior, the metric, samples per face, the baselines' denoiser calls."""

    prior: Prior
    distance: Distance
    samples: int
    calls: int

    def cell(self, model: ForwardModel, method: Method, scored: Tensor, tuning: Tensor) -> tuple[dict[str, Any], Tensor]:
        """Means over the faces that did not diverge, and the samples (faces, n, C, H, W), NaN where they did."""
        step = self.step_size(model, method, tuning) if method.tunable else None
        sampler = method.sampler(model, self.calls, step or 1.0)
        rows, samples = [], torch.full((len(scored), self.samples, *model.image_shape), torch.nan)
        for i, face in enumerate(tqdm(scored, desc="faces", leave=False)):
            try:
                post, seconds = self.solve(model, sampler, face, i, self.samples)
            except dpnp.DivergedError:
                continue
            samples[i] = post.samples
            costs = {"denoiser_calls": float(post.nfe), "gradient_calls": gradient_calls(sampler, post), "seconds": seconds / self.samples}
            rows.append(self.score(post, face) | costs)
        means = {name: fmean(row[name] for row in rows) for name in rows[0]} if rows else {}
        counts = {"faces": len(scored), "samples": self.samples, "diverged": len(scored) - len(rows)}
        return means | counts | {"step_size": step, "sampler": str(sampler)}, samples

    def solve(self, model: ForwardModel, sampler: Sampler, face: Tensor, seed: int, n: int) -> tuple[Posterior, float]:
        """``n`` samples for a measurement of ``face``, and the seconds they took: of CPU time on a CPU, by the wall clock on a GPU."""
        clock = time.process_time if self.prior.device.type == "cpu" else time.perf_counter
        y = model.simulate(face, seed)
        started = clock()
        post = dpnp.sample(self.prior, model, y, sampler=sampler, n_samples=n, seed=seed)
        return post, clock() - started

    def score(self, post: Posterior, face: Tensor) -> dict[str, float]:
        """Image quality of the samples and of their mean, and how right their spread is."""
        truth, samples = face.expand_as(post.samples), post.samples
        return {
            "lpips": self.distance(samples, truth).mean().item(),
            "psnr": fmean(psnr(x, face) for x in samples),
            "psnr_mean": psnr(post.mean, face),
            "ssim": ssim(samples, face),
            "crps": crps(samples, face),
            "coverage_90": coverage(ranks(samples.flatten(1), face.flatten()), len(samples), 0.9),
        }

    def step_size(self, model: ForwardModel, method: Method, faces: Tensor) -> float:
        """The step size of least LPIPS on ``faces``, which are not scored."""
        return best_step_size(lambda step: self.step_size_cost(model, method, faces, step), 1.0, patience=2)

    def step_size_cost(self, model: ForwardModel, method: Method, faces: Tensor, step: float) -> float:
        """Mean LPIPS of one sample for each of ``faces``; infinite when a chain diverges."""
        sampler = method.sampler(model, self.calls, step)
        try:
            solved = [self.solve(model, sampler, face, 9000 + i, 1)[0] for i, face in enumerate(faces)]
        except dpnp.DivergedError:
            return float("inf")
        return fmean(self.distance(post.samples, face[None]).item() for post, face in zip(solved, faces, strict=True))
