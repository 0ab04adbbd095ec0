"""Randomness of the samplers: one generator per sample, so that sample i depends on (seed, i) alone."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from operators.rng import POPULATION, SAMPLE, generator_for


class SampleStreams:
    """The generators of a set of samples. Draws are made per sample, so they do not depend on the batch.

    ``population`` is one more, on the CPU, for what the samples decide together.
    """

    def __init__(self, seed: int, indices: Sequence[int], device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.seed, self.indices, self.device, self.dtype = seed, list(indices), torch.device(device), dtype
        self._generators = [generator_for(seed, SAMPLE, index, device=device) for index in self.indices]
        self.population = generator_for(seed, POPULATION)

    def __len__(self) -> int:
        return len(self._generators)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal, (B, *shape)."""
        draws = self._empty(shape)
        for row, generator in zip(draws, self._generators, strict=True):
            row.normal_(generator=generator)
        return draws

    def uniform(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Uniform on [0, 1), (B, *shape)."""
        draws = self._empty(shape)
        for row, generator in zip(draws, self._generators, strict=True):
            row.uniform_(generator=generator)
        return draws

    def fork(self) -> SampleStreams:
        """Streams of their own for a draw that takes a random number of numbers: these move on by one number per sample."""
        seeds = [int(torch.randint(2**62, (), generator=g, device=self.device)) for g in self._generators]
        fork = copy.copy(self)
        fork._generators = [torch.Generator(self.device).manual_seed(seed) for seed in seeds]
        return fork

    def _empty(self, shape: tuple[int, ...]) -> Tensor:
        return torch.empty((len(self), *shape), dtype=self.dtype, device=self.device)

    def state_dict(self) -> dict[str, Any]:
        """The position of every stream, as plain numbers and tensors."""
        positions = [g.get_state() for g in (self.population, *self._generators)]
        return {"seed": self.seed, "indices": self.indices, "positions": positions}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where ``state_dict`` was taken. Raises ``ValueError`` when the streams are not the same samples'."""
        if (state["seed"], state["indices"]) != (self.seed, self.indices):
            raise ValueError(f"expected streams of seed {self.seed}, samples {self.indices}; got {state['seed']}, {state['indices']}")
        for generator, position in zip((self.population, *self._generators), state["positions"], strict=True):
            generator.set_state(position)
