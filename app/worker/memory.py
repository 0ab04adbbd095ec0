"""Memory that is not enough: how it is limited, and how its end is told from other errors."""

from __future__ import annotations

import resource

import torch

from app.jobs import JobError

WORDS = ("can't allocate memory", "out of memory", "bad_alloc")


def limit_memory(size: int | None) -> None:
    """Let this process have at most ``size`` bytes of its own, so that the end of memory is an error here and not the process's death."""
    if size is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the host's or the device's memory is full. Torch's CPU allocator has no class of its own for it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)


def out_of_memory(n_samples: int, batch_size: int | None) -> JobError:
    """Why a job failed; ``batch_size`` is None when it could not be halved."""
    tried = "one image at a time" if batch_size is None else f"{n_samples} images at a time, and {batch_size} at a time"
    detail = f"the memory is too small for {tried}; fewer samples, or a prior of smaller images, need less"
    return JobError(type="out-of-memory", title="Out of memory", detail=detail)
