"""Comparing with a truth up to what a measurement of magnitudes cannot see."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def align(x: Tensor, truth: Tensor, *, mask: bool = True) -> Tensor:
    """Of the images that have the Fourier magnitudes of ``x`` (B, C, H, W), the ones nearest to ``truth`` (C, H, W).

    With a mask these are x and -x; without one (``mask=False``) also the rotations by half a turn and all shifts within the frame of
    twice the image's size, with zeros beyond it. Every channel has magnitudes of its own, and so a sign, a turn and a shift of its own.
    """
    planes, truths = x.flatten(0, 1)[:, None], truth.repeat(len(x), 1, 1)[:, None]
    candidates = torch.stack([planes, -planes], dim=1)
    if not mask:
        turned = torch.cat([candidates, candidates.flip(-1, -2)], dim=1)
        candidates = torch.stack([_shifted(c, t) for cs, t in zip(turned, truths, strict=True) for c in cs]).reshape(turned.shape)
    errors = (candidates - truths[:, None]).square().flatten(2).sum(2)
    return candidates[torch.arange(len(planes), device=x.device), errors.argmin(1)].reshape(x.shape)


def _shifted(x: Tensor, truth: Tensor) -> Tensor:
    """``x`` (C, H, W) moved to where it correlates most with ``truth``."""
    h, w = x.shape[-2:]
    size = (2 * h, 2 * w)
    correlation = torch.fft.ifft2(torch.fft.fft2(truth, s=size) * torch.fft.fft2(x, s=size).conj()).real.sum(0)
    best = int(correlation.argmax())
    moved = pad(x, (0, w, 0, h)).roll((best // size[1], best % size[1]), dims=(-2, -1))
    return moved[..., :h, :w]
