"""Random weights in the layout of the published ones, a few channels wide."""

import pickle
from pathlib import Path

import numpy as np

CHANNELS = (4, 5, 6, 5, 4)
KERNELS = (11, 5, 3, 3, 3)


def random_weights(seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    inputs = (3, *CHANNELS[:-1])
    convolutions = {
        f"Conv_{i}": {"kernel": rng.normal(0, 0.2, (k, k, a, b)).astype(np.float32), "bias": np.full(b, 0.1, np.float32)}
        for i, (k, a, b) in enumerate(zip(KERNELS, inputs, CHANNELS, strict=True))
    }
    heads = {f"NetLinLayer_{i}": {"Conv_0": {"kernel": rng.random((1, 1, c, 1), dtype=np.float32)}} for i, c in enumerate(CHANNELS)}
    return {"AlexNet_0": convolutions} | heads


def write_weights(cache: Path) -> Path:
    """``alexnet.ckpt`` in ``cache``, so that nothing is downloaded."""
    cache.mkdir(parents=True, exist_ok=True)
    # under the module's old name, as in the published file
    text = pickle.dumps(random_weights(), protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    (cache / "alexnet.ckpt").write_bytes(text)
    return cache
