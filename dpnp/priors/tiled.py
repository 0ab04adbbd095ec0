"""Images larger than the prior's, by overlapping tiles."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dpnp.errors import ShapeError
from dpnp.priors.base import ImageShape, Prior, check_denoiser_input
from dpnp.priors.batched import BatchedPrior
from dpnp.priors.wrapped import WrappedPrior


def tile_starts(size: int, tile: int, overlap: int) -> list[int]:
    """Where the tiles of one axis begin: evenly spread from edge to edge, neighbours sharing at least ``overlap`` pixels."""
    n = 1 + math.ceil((size - tile) / (tile - overlap))
    return [round(i * (size - tile) / max(1, n - 1)) for i in range(n)]


def tile_window(tile: int, overlap: int) -> Tensor:
    """Weights of a tile's pixels along one axis: 1 inside, falling as a raised cosine over the overlap, never 0."""
    distance = torch.minimum(torch.arange(tile), torch.arange(tile).flip(0)) + 1
    return torch.sin(torch.pi / 2 * (distance / (overlap + 1)).clamp_max(1)).square()


class Tiled(WrappedPrior):
    """``prior`` for images of ``image_shape``, at least as high and wide as its own: its denoiser on overlapping tiles, blended smoothly.

    What is farther apart than a tile is independent under this prior, so it suits textures and scenes, not objects that fill the image.
    ``overlap`` in pixels (default a quarter of the tile); ``batch_size`` tiles are denoised at a time (default all).
    Raises :class:`dpnp.ShapeError` when the images cannot be tiled.
    """

    same_law = False

    def __init__(self, prior: Prior, image_shape: ImageShape, *, overlap: int | None = None, batch_size: int | None = None) -> None:
        c, h, w = prior.image_shape
        overlap = min(h, w) // 4 if overlap is None else overlap
        if image_shape[0] != c or image_shape[1] < h or image_shape[2] < w:
            raise ShapeError(
                f"expected images of {c} channels and at least {h} x {w} pixels for tiles {(c, h, w)}, got {tuple(image_shape)}"
            )
        tiled = [side for side, size in zip((h, w), image_shape[1:], strict=True) if size > side]
        if not 0 <= overlap < min(tiled, default=overlap + 1):
            raise ShapeError(f"expected an overlap from 0 to {min(tiled) - 1} for tiles of {h} x {w} pixels, got {overlap}")
        super().__init__(BatchedPrior(prior, batch_size))
        self._image_shape, self._tile = image_shape, (h, w)
        across = [overlap if size > side else 0 for side, size in zip((h, w), image_shape[1:], strict=True)]
        rows, columns = tile_starts(image_shape[1], h, across[0]), tile_starts(image_shape[2], w, across[1])
        self._corners = [(top, left) for top in rows for left in columns]
        self._window = torch.outer(tile_window(h, across[0]), tile_window(w, across[1])).to(prior.device, prior.dtype)
        one = self._window.expand(len(self._corners), 1, 1, h, w)
        self._total = self._blend(one, 1)

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of one image."""
        return self._image_shape

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The weighted mean over the tiles of E[x0 | x0 + sigma e = x] in each; see :class:`dpnp.priors.base.Prior`."""
        check_denoiser_input(x, sigma, self._image_shape)
        h, w = self._tile
        tiles = torch.cat([x[..., top : top + h, left : left + w] for top, left in self._corners])
        denoised = self._prior.denoise(tiles, sigma.repeat(len(self._corners)))
        weighted = denoised.unflatten(0, (len(self._corners), len(x))) * self._window
        return self._blend(weighted, x.shape[1]) / self._total

    def _blend(self, tiles: Tensor, channels: int) -> Tensor:
        """The sum of tiles (T, B, C, h, w) at their places, (B, C, H, W)."""
        h, w = self._tile
        whole = tiles.new_zeros(tiles.shape[1], channels, *self._image_shape[1:])
        for tile, (top, left) in zip(tiles, self._corners, strict=True):
            whole[..., top : top + h, left : left + w] += tile
        return whole
