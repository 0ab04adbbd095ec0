"""Guided-diffusion's U-Net written out from the names in a state dict, each block a plain formula; and the names it gives its tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import conv2d


@dataclass(frozen=True)
class Spec:
    """Arguments of guided-diffusion's ``create_model``; ``attention`` holds downsampling factors."""

    channels: int
    multipliers: tuple[int, ...]
    blocks: int
    attention: tuple[int, ...]
    out: int = 6
    colours: int = 3
    scale_shift: bool = True
    updown: bool = True


IMAGENET_256 = Spec(256, (1, 1, 2, 2, 4, 4), 2, (8, 16, 32))
FFHQ_10M = Spec(128, (1, 1, 2, 2, 4, 4), 1, (16,))
SMALL = Spec(32, (1, 1, 2), 2, (4,))
VARIANTS = {
    "both heads": SMALL,
    "one block": Spec(32, (1, 2, 2), 1, (2,)),
    "grey, fixed variance": Spec(32, (1, 2), 1, (2,), out=1, colours=1),
    "added embedding": Spec(32, (1, 2), 2, (2,), scale_shift=False),
    "strided convolutions": Spec(32, (1, 1, 2), 1, (4,), updown=False),
    "no attention but the middle's": Spec(32, (1, 2), 1, ()),
    "one resolution": Spec(32, (1,), 2, ()),
}


def shapes(spec: Spec) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor."""
    found: dict[str, tuple[int, ...]] = {}
    emb = 4 * spec.channels

    def layer(name: str, *weight: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = weight, weight[:1]

    def res(name: str, a: int, b: int) -> None:
        layer(f"{name}.in_layers.0", a)
        layer(f"{name}.in_layers.2", b, a, 3, 3)
        layer(f"{name}.emb_layers.1", 2 * b if spec.scale_shift else b, emb)
        layer(f"{name}.out_layers.0", b)
        layer(f"{name}.out_layers.3", b, b, 3, 3)
        if a != b:
            layer(f"{name}.skip_connection", b, a, 1, 1)

    def attention(name: str, c: int) -> None:
        layer(f"{name}.norm", c)
        layer(f"{name}.qkv", 3 * c, c, 1)
        layer(f"{name}.proj_out", c, c, 1)

    layer("time_embed.0", emb, spec.channels)
    layer("time_embed.2", emb, emb)
    width = first = spec.channels * spec.multipliers[0]
    layer("input_blocks.0.0", width, spec.colours, 3, 3)
    k, handed = 1, [width]
    for level, multiplier in enumerate(spec.multipliers):
        for _ in range(spec.blocks):
            res(f"input_blocks.{k}.0", width, multiplier * spec.channels)
            width = multiplier * spec.channels
            if 2**level in spec.attention:
                attention(f"input_blocks.{k}.1", width)
            handed.append(width)
            k += 1
        if level < len(spec.multipliers) - 1:
            if spec.updown:
                res(f"input_blocks.{k}.0", width, width)
            else:
                layer(f"input_blocks.{k}.0.op", width, width, 3, 3)
            handed.append(width)
            k += 1
    res("middle_block.0", width, width)
    attention("middle_block.1", width)
    res("middle_block.2", width, width)
    k = 0
    for level in reversed(range(len(spec.multipliers))):
        for block in range(spec.blocks + 1):
            res(f"output_blocks.{k}.0", width + handed.pop(), spec.multipliers[level] * spec.channels)
            width, j = spec.multipliers[level] * spec.channels, 1
            if 2**level in spec.attention:
                attention(f"output_blocks.{k}.1", width)
                j = 2
            if level and block == spec.blocks:
                if spec.updown:
                    res(f"output_blocks.{k}.{j}", width, width)
                else:
                    layer(f"output_blocks.{k}.{j}.conv", width, width, 3, 3)
            k += 1
    layer("out.0", first)
    layer("out.2", spec.out, first, 3, 3)
    return found


def random_state(spec: Spec, seed: int = 0, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Random values that keep activations near size one."""
    g = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes(spec).items():
        value = torch.randn(shape, generator=g)
        fan = math.prod(shape[1:])
        norm = len(shape) == 1 and name.endswith("weight")
        state[name] = (1 + 0.2 * value if norm else value / fan**0.5 if len(shape) > 1 else 0.1 * value).to(dtype)
    return state


def group_norm(x, weight, bias, eps=1e-5):
    groups = x.reshape(x.shape[0], 32, -1)
    mean, variance = groups.mean(2, keepdim=True), groups.var(2, keepdim=True, unbiased=False)
    flat = ((groups - mean) / torch.sqrt(variance + eps)).reshape(x.shape)
    return flat * weight.reshape(1, -1, 1, 1) + bias.reshape(1, -1, 1, 1)


def silu(x):
    return x / (1 + torch.exp(-x))


def up(x):
    return torch.kron(x, torch.ones(2, 2, dtype=x.dtype))


def down(x):
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


class Plain:
    """The network as functions of a state dict, in float64."""

    def __init__(self, state, spec: Spec, head_channels: int = 64, legacy: bool = True) -> None:
        self.state, self.spec = {k: v.double() for k, v in state.items()}, spec
        self.head_channels, self.legacy = head_channels, legacy

    def pair(self, name):
        return self.state[f"{name}.weight"], self.state[f"{name}.bias"]

    def res(self, name, x, emb, change=None):
        h = silu(group_norm(x, *self.pair(f"{name}.in_layers.0")))
        if change is not None:
            h, x = change(h), change(x)
        h = conv2d(h, *self.pair(f"{name}.in_layers.2"), padding=1)
        weight, bias = self.pair(f"{name}.emb_layers.1")
        e = (silu(emb) @ weight.T + bias)[:, :, None, None]
        norm = self.pair(f"{name}.out_layers.0")
        if self.spec.scale_shift:
            half = e.shape[1] // 2
            h = group_norm(h, *norm) * (1 + e[:, :half]) + e[:, half:]
        else:
            h = group_norm(h + e, *norm)
        h = conv2d(silu(h), *self.pair(f"{name}.out_layers.3"), padding=1)
        if f"{name}.skip_connection.weight" in self.state:
            x = conv2d(x, *self.pair(f"{name}.skip_connection"))
        return x + h

    def attention(self, name, x):
        b, c, height, width = x.shape
        (w, bias), (w_out, bias_out) = self.pair(f"{name}.qkv"), self.pair(f"{name}.proj_out")
        tokens = group_norm(x, *self.pair(f"{name}.norm")).reshape(b, c, -1)
        qkv = torch.einsum("oc,bcl->bol", w[:, :, 0], tokens) + bias[:, None]
        d = min(c, self.head_channels)
        mixed = []
        for head in range(c // d):
            rows = [torch.arange(d) + (3 * head + i) * d if self.legacy else torch.arange(d) + i * c + head * d for i in range(3)]
            q, k, v = (qkv[:, r] for r in rows)
            weights = torch.softmax(torch.einsum("bdi,bdj->bij", q, k) / d**0.5, dim=-1)
            mixed.append(torch.einsum("bij,bdj->bdi", weights, v))
        out = torch.einsum("oc,bcl->bol", w_out[:, :, 0], torch.cat(mixed, dim=1)) + bias_out[:, None]
        return x + out.reshape(b, c, height, width)

    def stage(self, name, x, emb, change=None):
        """``change`` is what the stage's last residual block does to the resolution."""
        kinds = sorted({key[len(name) + 1 :].split(".")[0] for key in self.state if key.startswith(name + ".")})
        for j in kinds:
            layer = f"{name}.{j}"
            if f"{layer}.qkv.weight" in self.state:
                x = self.attention(layer, x)
            elif f"{layer}.op.weight" in self.state:
                x = conv2d(x, *self.pair(f"{layer}.op"), stride=2, padding=1)
            elif f"{layer}.conv.weight" in self.state:
                x = conv2d(up(x), *self.pair(f"{layer}.conv"), padding=1)
            else:
                x = self.res(layer, x, emb, change if j == kinds[-1] else None)
        return x

    def __call__(self, x, t):
        spec, x = self.spec, x.double()
        waves = torch.tensor([math.exp(-math.log(10000) * i / (spec.channels // 2)) for i in range(spec.channels // 2)])
        angles = t.double()[:, None] * waves.double()
        emb = torch.cat([torch.cos(angles), torch.sin(angles)], 1)
        (w0, b0), (w2, b2) = self.pair("time_embed.0"), self.pair("time_embed.2")
        emb = silu(emb @ w0.T + b0) @ w2.T + b2
        per_level, levels = spec.blocks + 1, len(spec.multipliers)
        h = conv2d(x, *self.pair("input_blocks.0.0"), padding=1)
        handed = [h]
        for k in range(1, levels * per_level):
            h = self.stage(f"input_blocks.{k}", h, emb, down if k % per_level == 0 else None)
            handed.append(h)
        h = self.res("middle_block.0", h, emb)
        h = self.attention("middle_block.1", h)
        h = self.res("middle_block.2", h, emb)
        for k in range(levels * per_level):
            rises = (k + 1) % per_level == 0 and k + 1 < levels * per_level
            h = self.stage(f"output_blocks.{k}", torch.cat([h, handed.pop()], 1), emb, up if rises else None)
        return conv2d(silu(group_norm(h, *self.pair("out.0"))), *self.pair("out.2"), padding=1)
