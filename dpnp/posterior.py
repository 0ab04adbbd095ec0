"""The result of a run: samples of p(x | y) and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Posterior:
    """``samples`` (n, C, H, W) in [-1, 1] scale, on the CPU; ``nfe``: denoiser calls per chain; ``diagnostics``: named numbers.

    ``warnings`` are sentences for people: what to doubt about this result. With ``draws_per_chain`` > 1 the draws of one chain follow
    each other.

    ``hidden``: one value per sample (in a long run, per chain) of what the model has unknown beside the image, e.g. "kernel" (n, 33, 33).
    """

    samples: Tensor
    nfe: int
    diagnostics: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    draws_per_chain: int = 1
    hidden: dict[str, Tensor] = field(default_factory=dict)

    @property
    def mean(self) -> Tensor:
        """Posterior mean per pixel, (C, H, W): the estimate of least squared error."""
        return self.samples.mean(0)

    @property
    def std(self) -> Tensor:
        """Posterior standard deviation per pixel, (C, H, W), with the unbiased variance; zero for a single sample."""
        return self.samples.std(0) if len(self.samples) > 1 else torch.zeros_like(self.samples[0])

    def quantile(self, q: float) -> Tensor:
        """The ``q`` quantile per pixel, (C, H, W). Raises ``ValueError`` unless 0 <= q <= 1."""
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile is between 0 and 1, got {q}")
        return torch.quantile(self.samples, q, dim=0)

    def to_arviz(self) -> Any:
        """``arviz.InferenceData`` with the samples as variable ``x``, (chain, draw, channel, height, width).

        Samples that each end a chain of their own are independent and stand as the draws of one.
        """
        import arviz

        chains = 1 if self.draws_per_chain == 1 else len(self.samples) // self.draws_per_chain
        names = ["channel", "height", "width"]
        data = arviz.from_dict(posterior={"x": self.samples.reshape(chains, -1, *self.samples.shape[1:]).numpy()}, dims={"x": names})
        data.posterior.attrs.update({"nfe": self.nfe, **self.diagnostics})
        return data
