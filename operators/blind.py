"""Forward models whose blur may be unknown."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property

from torch import Tensor

from operators.blur_kernels import SIZE, random_kernels
from operators.errors import OperatorError, ShapeError
from operators.maps import BlurMap, LinearMap, Map
from operators.maps.blur import BlurEach
from operators.maps.chain import chain
from operators.maps.identity import IdentityMap
from operators.model import ForwardModel, Joined
from operators.rng import MASK, generator_for
from operators.shapes import matrix_of

LEAST_SIDE = SIZE - 1  # the kernel's last pixels may meet its first ones round the edge, not more


class BlindBlur(ForwardModel):
    """y ~ p(. | transform(kernel * x)), * circular in every channel alike: the structure that a blind sampler works on.

    A subclass has a field ``kernel``, rows of numbers with odd sides; None is an unknown kernel of those that
    :func:`operators.blur_kernels.random_kernels` draws, which is sampled along with the image.
    """

    kernel: list[list[float]] | None

    @property
    @abstractmethod
    def transform(self) -> LinearMap:
        """What stands between the blurred image and the noise."""

    @property
    def hidden(self) -> tuple[str, ...]:
        """("kernel",) while the kernel is unknown."""
        return ("kernel",) if self.kernel is None else ()

    @cached_property
    def map(self) -> Map:
        """Blur, then the transform. Raises :class:`operators.OperatorError` while the kernel is unknown."""
        if self.kernel is None:
            raise OperatorError("the blur kernel is unknown: give one, or see model.given({'kernel': kernels})")
        blur = IdentityMap(self.image_shape) if self.kernel == [[1.0]] else BlurMap(matrix_of(self.kernel, "a kernel"), self.image_shape)
        return chain(blur, self.transform)

    @property
    def measurement_shape(self) -> tuple[int, ...]:
        return self.noise.measurement_shape(self.transform.output_shape)

    def given(self, hidden: Mapping[str, Tensor]) -> ForwardModel:
        """With ``hidden["kernel"]`` (B, 33, 33), one kernel for each image of a batch of B."""
        return KnownKernels(self, hidden["kernel"]) if self.hidden else self

    def simulate(self, x: Tensor, seed: int) -> Tensor:
        """As for every forward model; an unknown kernel is drawn from ``seed``, see :meth:`simulated_kernel`."""
        if not self.hidden:
            return super().simulate(x, seed)
        return self.given({"kernel": self.simulated_kernel(seed)[None].to(self.noise.widened(x))}).simulate(x, seed)

    def simulated_kernel(self, seed: int) -> Tensor:
        """The kernel (33, 33) that :meth:`simulate` uses."""
        return random_kernels(1, generator_for(seed, MASK))[0].double()

    def check_blur(self) -> None:
        """Raise :class:`operators.ShapeError` when the images are too small for an unknown kernel, or for the one given."""
        if self.kernel is not None:
            _ = self.map
        elif min(self.image_shape[1:]) < LEAST_SIDE:
            least = f"{LEAST_SIDE} x {LEAST_SIDE}"
            raise ShapeError(f"expected images of at least {least} pixels for an unknown kernel, got {tuple(self.image_shape)}")


class KnownKernels(Joined):
    """A :class:`BlindBlur` with a kernel for each image of a batch."""

    def __init__(self, model: BlindBlur, kernels: Tensor) -> None:
        super().__init__(model.image_shape, chain(BlurEach(kernels, model.image_shape), model.transform), model.noise)
