"""What a denoiser call costs, counted without computing it: arithmetic and memory."""

from __future__ import annotations

import weakref
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from dpnp.priors.base import Prior
from dpnp.priors.network import NetworkPrior

SHARE = 0.8  # of the free memory that a batch may fill: kernels want workspace that is not counted here


@dataclass(frozen=True)
class Cost:
    """Of one call on a batch: floating-point operations (a multiply-add is two), and the bytes alive at once besides the weights."""

    flops: int
    peak_bytes: int


class LiveBytes(TorchDispatchMode):
    """The largest sum of bytes of tensors that were made inside the context and alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._holders: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._watch(leaf)
        self.peak = max(self.peak, self._now)
        return result

    def _watch(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        self._now += 0 if self._holders[key] else size
        self._holders[key] += 1
        weakref.finalize(tensor, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._holders[key] -= 1
        self._now -= 0 if self._holders[key] else size


@torch.no_grad()
def call_cost(prior: NetworkPrior, batch: int) -> Cost:
    """Arithmetic and memory of the network on ``batch`` images, from the shapes alone: nothing is computed, no memory is taken."""
    weights = {key: value.to("meta") for key, value in prior.network.state_dict().items()}
    x = torch.empty(batch, *prior.image_shape, device="meta").contiguous(memory_format=torch.channels_last)
    label = torch.ones(batch, device="meta")
    with torch.compiler.set_stance("force_eager"), FlopCounterMode(display=False) as counter, LiveBytes() as memory:
        functional_call(prior.network, weights, (x, label))
    return Cost(counter.get_total_flops(), memory.peak)


def largest_batch(prior: Prior, wanted: int, free_bytes: int | None = None) -> int:
    """At most ``wanted`` images: as many as one denoiser call has memory for on the prior's device.

    Counted from shapes and then tried on a GPU. ``free_bytes`` (default: what the GPU has free) bounds it; a CPU has no bound.
    """
    if not isinstance(prior, NetworkPrior) or (prior.device.type != "cuda" and free_bytes is None):
        return wanted
    free = torch.cuda.mem_get_info(prior.device)[0] if free_bytes is None else free_bytes
    one, two = (call_cost(prior, n).peak_bytes for n in (1, 2))
    batch = max(1, min(wanted, int(SHARE * free / max(1, two - one))))
    while prior.device.type == "cuda" and batch > 1 and not _fits(prior, batch):
        batch //= 2
    return batch


@torch.no_grad()
def _fits(prior: NetworkPrior, batch: int) -> bool:
    try:
        prior.denoise(torch.zeros(batch, *prior.image_shape, device=prior.device), torch.ones(batch, device=prior.device))
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return False
    return True
