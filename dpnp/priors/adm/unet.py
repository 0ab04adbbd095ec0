"""The ADM U-Net (Dhariwal & Nichol 2021, appendix) with guided-diffusion's names for its tensors, so that its files load as they are."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, linear, scaled_dot_product_attention

from dpnp.priors.adm.architecture import Architecture

GROUPS = 32
LONGEST_WAVE = 10_000.0
Resample = Literal["up", "down"]


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """cos and sin of ``t`` (B,) times dim/2 frequencies from 1 down to nearly 1/10000, (B, dim)."""
    half = dim // 2
    frequencies = torch.exp(-math.log(LONGEST_WAVE) / half * torch.arange(half, device=t.device, dtype=torch.float32))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def resample(x: Tensor, direction: Resample | None) -> Tensor:
    """Twice as many pixels by repetition, half as many by averaging, or as many."""
    if direction == "up":
        return interpolate(x, scale_factor=2.0, mode="nearest")
    return avg_pool2d(x, 2) if direction == "down" else x


class ResBlock(nn.Module):
    """Norm, SiLU, convolution, twice; the embedding enters between; the resolution may change before the first convolution."""

    def __init__(self, channels: int, out: int, embedding: int, *, scale_shift: bool, direction: Resample | None = None) -> None:
        super().__init__()
        self.direction, self.scale_shift = direction, scale_shift
        self.in_layers = nn.Sequential(nn.GroupNorm(GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * out if scale_shift else out))
        self.out_layers = nn.Sequential(nn.GroupNorm(GROUPS, out), nn.SiLU(), nn.Identity(), nn.Conv2d(out, out, 3, padding=1))
        self.skip_connection = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        norm, activation, convolution = self.in_layers
        h = convolution(resample(activation(norm(x)), self.direction))
        e = self.emb_layers(embedding)[..., None, None]
        if self.scale_shift:
            scale, shift = e.chunk(2, dim=1)
            h = self.out_layers[1:](self.out_layers[0](h) * (1 + scale) + shift)
        else:
            h = self.out_layers(h + e)
        skipped: Tensor = self.skip_connection(resample(x, self.direction))
        return skipped + h


class Attention(nn.Module):
    """Self-attention over pixels. ``legacy`` is the order of the file's channels: (head, q k v) or else (q k v, head)."""

    def __init__(self, channels: int, heads: int, legacy: bool) -> None:
        super().__init__()
        self.heads, self.legacy = heads, legacy
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        b, c, h, w = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        qkv = linear(tokens, self.qkv.weight[..., 0], self.qkv.bias)
        if self.legacy:
            q, k, v = qkv.reshape(b, h * w, self.heads, 3, c // self.heads).permute(3, 0, 2, 1, 4)
        else:
            q, k, v = qkv.reshape(b, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return x + linear(mixed, self.proj_out.weight[..., 0], self.proj_out.bias).transpose(1, 2).reshape(b, c, h, w)


class Downsample(nn.Module):
    """A convolution of stride two."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        halved: Tensor = self.op(x)
        return halved


class Upsample(nn.Module):
    """Pixels repeated, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        doubled: Tensor = self.conv(resample(x, "up"))
        return doubled


class ADMUNet(nn.Module):
    """``network(x, t)``: x (B, C, H, W) scaled to variance one, t (B,) times that may lie between the trained integers.

    ``head_channels`` and ``legacy`` cannot be read off a file's shapes. Sides must be multiples of 2^(resolutions - 1).
    """

    def __init__(self, architecture: Architecture, *, head_channels: int = 64, legacy: bool = True) -> None:
        super().__init__()
        a = self.architecture = architecture
        self.unit = 2 ** (len(a.channels) - 1)
        self._head_channels, self._legacy = head_channels, legacy
        embedding = 4 * a.model_channels
        self.time_embed = nn.Sequential(nn.Linear(a.model_channels, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.input_blocks = nn.ModuleList([nn.ModuleList([nn.Conv2d(a.in_channels, a.channels[0], 3, padding=1)])])
        widths = self._build_down(embedding)
        coarsest = a.channels[-1]
        self.middle_block = nn.ModuleList([self._res(coarsest, coarsest), self._attention(coarsest), self._res(coarsest, coarsest)])
        self.output_blocks = nn.ModuleList()
        self._build_up(widths)
        self.out = nn.Sequential(nn.GroupNorm(GROUPS, a.channels[0]), nn.SiLU(), nn.Conv2d(a.channels[0], a.out_channels, 3, padding=1))

    def _build_down(self, embedding: int) -> list[int]:
        """The encoder; returns the channels of what it hands to the decoder."""
        a, width = self.architecture, self.architecture.channels[0]
        widths = [width]
        for level, out in enumerate(a.channels):
            for _ in range(a.blocks):
                self.input_blocks.append(self._stage(width, out, level))
                width = out
                widths.append(width)
            if level + 1 < len(a.channels):
                layer = self._res(width, width, "down") if a.resblock_updown else Downsample(width)
                self.input_blocks.append(nn.ModuleList([layer]))
                widths.append(width)
        return widths

    def _build_up(self, widths: list[int]) -> None:
        a, width = self.architecture, self.architecture.channels[-1]
        for level, out in reversed(list(enumerate(a.channels))):
            for block in range(a.blocks + 1):
                stage = self._stage(width + widths.pop(), out, level)
                width = out
                if level and block == a.blocks:
                    stage.append(self._res(width, width, "up") if a.resblock_updown else Upsample(width))
                self.output_blocks.append(stage)

    def _stage(self, width: int, out: int, level: int) -> nn.ModuleList:
        return nn.ModuleList([self._res(width, out), *([self._attention(out)] if self.architecture.attention[level] else [])])

    def _res(self, width: int, out: int, direction: Resample | None = None) -> ResBlock:
        return ResBlock(width, out, 4 * self.architecture.model_channels, scale_shift=self.architecture.scale_shift, direction=direction)

    def _attention(self, width: int) -> Attention:
        return Attention(width, max(1, width // self._head_channels), self._legacy)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        dtype = next(self.parameters()).dtype
        embedding = self.time_embed(time_embedding(t, self.architecture.model_channels).to(dtype))
        h = self.input_blocks[0][0](x.to(dtype))  # type: ignore[index]  # lists of lists of layers
        kept = [h]
        for stage in self.input_blocks[1:]:
            h = _run(stage, h, embedding)
            kept.append(h)
        h = _run(self.middle_block, h, embedding)
        for stage in self.output_blocks:
            h = _run(stage, torch.cat([h, kept.pop()], dim=1), embedding)
        answer: Tensor = self.out(h)
        return answer


def _run(stage: nn.Module, h: Tensor, embedding: Tensor) -> Tensor:
    for layer in stage.children():
        h = layer(h, embedding)
    return h
