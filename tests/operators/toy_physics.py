"""Physics objects as deepinv's, but without deepinv."""

import torch
from torch import nn


class MatrixPhysics(nn.Module):
    """``m`` random combinations of the pixels, (B, m)."""

    def __init__(self, m: int, image_shape: tuple[int, int, int]):
        super().__init__()
        self.image_shape = image_shape
        n = image_shape[0] * image_shape[1] * image_shape[2]
        self.register_buffer("matrix", torch.randn(m, n, generator=torch.Generator().manual_seed(0)) / n**0.5)

    def A(self, x):
        return x.flatten(1) @ self.matrix.T

    def A_adjoint(self, y):
        return (y @ self.matrix).reshape(-1, *self.image_shape)


class MapPhysics(nn.Module):
    """One of our own maps as a physics of double precision."""

    def __init__(self, map):
        super().__init__()
        self.map = map
        self.register_buffer("precision", torch.zeros((), dtype=torch.float64))

    def A(self, x):
        return self.map(x)

    def A_adjoint(self, y):
        return self.map.adjoint(y)
