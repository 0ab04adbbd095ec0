"""Between blur kernels and the images that the prior ``kernels-33`` sees."""

from __future__ import annotations

from torch import Tensor

KERNEL_SCALE = 0.02


def kernel_to_image(kernel: Tensor, scale: float = KERNEL_SCALE) -> Tensor:
    """The image x = 2 k / scale - 1 that the prior sees: 0 is -1, a value of ``scale`` is +1, sharper peaks lie above."""
    return 2 * kernel / scale - 1


def image_to_kernel(image: Tensor, scale: float = KERNEL_SCALE) -> Tensor:
    """The kernel k = scale (x + 1) / 2 of an image; ``scale`` is the ``kernel_scale`` of the prior's card."""
    return scale * (image + 1) / 2


def image_sum(pixels: int, scale: float = KERNEL_SCALE) -> float:
    """The sum of the image of a kernel with so many ``pixels`` whose sum is 1."""
    return 2 / scale - pixels
