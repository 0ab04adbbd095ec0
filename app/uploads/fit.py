"""Arrays brought to the shape that is wanted: strictly for a measurement, by cropping and scaling for a photograph."""

from __future__ import annotations

import numpy as np
from PIL import Image

from app.uploads.errors import WrongShapeError

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow's convert("L")


def fit_measurement(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """``array`` with the channel axis of ``shape``: a lone (H, W) gains one, a grey picture saved as RGB loses two.

    Nothing else changes; whether the shape then fits is the forward model's to say.
    """
    if array.shape == tuple(shape)[1:] and shape[0] == 1:
        return array[None]
    grey_as_rgb = array.ndim == 3 and array.shape[0] == 3 and tuple(shape) == (1, *array.shape[1:])
    if grey_as_rgb and (array == array[:1]).all():
        return array[:1]
    return array


def fit_image(array: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """A picture (C, H, W), (H, W, C) or (H, W) in [-1, 1] as an image of ``shape``: grey or RGB, cropped about its centre, Lanczos-scaled.

    Raises :class:`app.uploads.WrongShapeError`.
    """
    picture = array[None] if array.ndim == 2 else array
    if picture.ndim == 3 and picture.shape[0] not in (1, 3) and picture.shape[2] in (1, 3):
        picture = picture.transpose(2, 0, 1)  # channels last, as most image libraries keep them
    if picture.ndim != 3 or picture.shape[0] not in (1, 3) or 0 in picture.shape or shape[0] not in (1, 3):
        raise WrongShapeError(f"expected a grey or RGB image to bring to {tuple(shape)}, got an array of shape {array.shape}")
    if not np.isfinite(picture).all():
        raise WrongShapeError("expected finite numbers in the image, got NaN or infinity")
    channels = _with_channels(picture, shape[0])
    return np.clip(np.stack([_scaled(channel, shape[1], shape[2]) for channel in channels]), -1, 1)


def _with_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    if picture.shape[0] == channels:
        return picture
    return np.tensordot(LUMA, picture, axes=1)[None] if channels == 1 else np.repeat(picture, channels, axis=0)


def _scaled(channel: np.ndarray, height: int, width: int) -> np.ndarray:
    """Crop to the aspect ratio of (height, width) about the centre, then scale."""
    h, w = channel.shape
    if (h, w) == (height, width):
        return channel
    crop_h, crop_w = min(h, w * height / width), min(w, h * width / height)
    top, left = (h - crop_h) / 2, (w - crop_w) / 2
    picture = Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32))
    box = (left, top, left + crop_w, top + crop_h)
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS, box=box))
