"""The methods that are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import dpnp
from dpnp import Posterior
from dpnp.samplers import Sampler
from operators import ForwardModel


def dpnp_for(model: ForwardModel) -> dpnp.DPnP:
    """61 to 77 denoiser calls: long denoising draws where consistency draws are exact, more of them where they are Markov chains."""
    if model.hidden:
        return dpnp.DPnP(n_iterations=14, denoising_steps=4)
    if model.map.linear_part() is None:
        return dpnp.DPnP(n_iterations=20, denoising_steps=3)
    return dpnp.DPnP(n_iterations=8, denoising_steps=8)


@dataclass(frozen=True)
class Method:
    """``sampler(model, calls, step_size)``: ``calls`` is the baselines' number of denoiser calls; DPnP has its own and no step size.

    ``blind`` says whether the method has a row where something is unknown beside the image.
    """

    sampler: Callable[[ForwardModel, int, float], Sampler]
    tunable: bool = False
    blind: bool = False


METHODS = {
    "DPnP-DDIM": Method(lambda model, calls, step: dpnp_for(model), blind=True),
    "DPnP-DDPM": Method(lambda model, calls, step: replace(dpnp_for(model), denoising="ddpm"), blind=True),
    "DPS": Method(lambda model, calls, step: dpnp.DPS(n_steps=calls, step_size=step), tunable=True, blind=True),
    "LGD-MC": Method(lambda model, calls, step: dpnp.LGDMC(n_steps=calls, step_size=step), tunable=True),
}


def gradient_calls(sampler: Sampler, post: Posterior) -> float:
    """Gradients per sample over the run: of the likelihood through the denoiser (baselines), or of the likelihood alone (HMC)."""
    last = post.diagnostics.get("gradient_calls", 0.0)
    return last * sampler.n_iterations if isinstance(sampler, dpnp.DPnP) else last
