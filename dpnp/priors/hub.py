"""Checkpoints of the Hugging Face Hub, through its client's cache; ``HF_HUB_OFFLINE=1`` keeps to the cache."""

from __future__ import annotations

import re
from pathlib import Path

from dpnp.errors import PriorError

CONFIGS = ["*.json"]
WEIGHTS = "model.safetensors", "diffusion_pytorch_model*.safetensors", "unet/diffusion_pytorch_model*.safetensors"
PICKLES = "diffusion_pytorch_model*.bin", "unet/diffusion_pytorch_model*.bin"
VARIANTS = ["*.fp16.*", "*.non_ema.*"]


def is_id(name: str) -> bool:
    """Whether ``name`` could be a model's id, ``owner/name``."""
    return re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) is not None


def fetch_configs(repo_id: str) -> Path:
    """The folder with the model's JSON files. Raises :class:`dpnp.PriorError` when it is neither cached nor to be had."""
    return _fetch(repo_id, CONFIGS)


def fetch_weights(repo_id: str) -> Path:
    """The same folder with the weights too: safetensors, or else pickles. Raises as :func:`fetch_configs`."""
    folder = _fetch(repo_id, [*CONFIGS, *WEIGHTS])
    if not any(folder.glob("**/*.safetensors")):
        folder = _fetch(repo_id, [*CONFIGS, *PICKLES])
    return folder


def _fetch(repo_id: str, patterns: list[str]) -> Path:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return Path(snapshot_download(repo_id, allow_patterns=patterns, ignore_patterns=VARIANTS))
    except RepositoryNotFoundError as error:
        raise PriorError(f"there is no folder {repo_id!r}, and no model of that id on the Hugging Face Hub that you may read") from error
    except Exception as error:  # whatever the client's transport raises
        offline = " (HF_HUB_OFFLINE is set)" if constants.HF_HUB_OFFLINE else ""
        raise PriorError(
            f"there is no folder {repo_id!r}, and the Hugging Face model of that id is neither in the cache {constants.HF_HUB_CACHE} "
            f"nor to be had from the Hub{offline}: {type(error).__name__}"
        ) from error
