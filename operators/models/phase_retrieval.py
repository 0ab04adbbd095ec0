"""Phase retrieval from coded Fourier magnitudes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from operators.maps.fourier import CodedFourier, CodedMask, FourierMagnitude, MaskSeed
from operators.model import MODEL_CONFIG, ForwardModel
from operators.noise import GaussianNoise
from operators.shapes import ImageShape


@dataclass(frozen=True, config=MODEL_CONFIG)
class PhaseRetrieval(ForwardModel):
    """y = |F(mask x)| + noise_std e, F the orthonormal FFT of the zero-padded image: the paper's coded phase retrieval (Xu & Chi 2024).

    ``image_shape`` (C, H, W); y has shape (C, oversampling H, oversampling W). The mask holds -1, 0, +1 with probabilities 1/8, 3/4, 1/8
    and depends on ``mask_seed`` and the image's size alone, unless its values are given; files keep it beside y. y cannot tell x from -x
    (nor, with ``mask`` "none", from its rotation by half a turn and from shifts); :func:`operators.align` undoes that when comparing with
    a truth.
    """

    name: ClassVar[str] = "phase_retrieval"
    summary: ClassVar[str] = "Magnitudes of the Fourier transform of the masked image, with Gaussian noise"

    image_shape: ImageShape
    oversampling: Annotated[int, Field(ge=1, le=8, description="zero-padding: the transform's side over the image's")] = 2
    noise_std: Annotated[
        float, Field(gt=0, le=10, allow_inf_nan=False, description="standard deviation of the noise on the magnitudes, in [-1, 1] scale")
    ] = 0.2
    mask: CodedMask = "ternary"
    mask_seed: MaskSeed = 0

    def __post_init__(self) -> None:
        if not isinstance(self.mask, str):
            _ = self.map  # a mask of another size is an error now

    @property
    def stored_by(self) -> Mapping[str, tuple[str, ...]]:
        """The mask."""
        return CodedFourier.stored_by

    @cached_property
    def map(self) -> FourierMagnitude:
        """Coded Fourier magnitudes."""
        return CodedFourier(oversampling=self.oversampling, mask=self.mask, mask_seed=self.mask_seed).build(self.image_shape)

    @cached_property
    def noise(self) -> GaussianNoise:
        """White Gaussian noise."""
        return GaussianNoise(self.noise_std)
