"""The methods that are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import dpnp
from dpnp import Posterior
from dpnp.samplers import Sampler

DPNP = dpnp.DPnP(n_iterations=20, denoising_steps=4)


@dataclass(frozen=True)
class Method:
    """``sampler(calls, step_size)``: ``calls`` is the baselines' number of denoiser calls; DPnP has its own and no step size.

    ``blind`` says whether the method has a row where something is unknown beside the image.
    """

    sampler: Callable[[int, float], Sampler]
    tunable: bool = False
    blind: bool = False


METHODS = {
    "DPnP-DDIM": Method(lambda calls, step: DPNP, blind=True),
    "DPnP-DDPM": Method(lambda calls, step: replace(DPNP, denoising="ddpm")),
    "DPS": Method(lambda calls, step: dpnp.DPS(n_steps=calls, step_size=step), tunable=True, blind=True),
    "LGD-MC": Method(lambda calls, step: dpnp.LGDMC(n_steps=calls, step_size=step), tunable=True),
}


def gradient_calls(sampler: Sampler, post: Posterior) -> float:
    """Gradients per sample over the run: of the likelihood through the denoiser (baselines), or of the likelihood alone (MALA)."""
    last = post.diagnostics.get("gradient_calls", 0.0)
    return last * sampler.n_iterations if isinstance(sampler, dpnp.DPnP) else last
