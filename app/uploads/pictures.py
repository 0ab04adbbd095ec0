"""PNG, JPEG and TIFF files through Pillow, with an allow-list and a cap that is checked before the pixels are read."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

from app.uploads.errors import TooManyPixelsError, UnreadableFileError, UploadError

FORMATS = ("PNG", "JPEG", "TIFF")
PNG_END = b"IEND\xaeB`\x82"
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


def decode_picture(content: bytes, max_pixels: int, photograph: bool = False) -> np.ndarray:
    """A grey or colour picture as float32 (1, H, W) or (3, H, W) in [-1, 1]; a float TIFF as it is.

    A ``photograph`` may have several frames (the first counts), an orientation and transparency (laid on white).
    Raises :class:`app.uploads.UploadError`.
    """
    if content.startswith(b"\x89PNG") and PNG_END not in content:
        raise UnreadableFileError("the PNG picture is truncated: its end is missing")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            return _pixels(picture, max_pixels, photograph)
    except (UploadError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixelsError(f"expected at most {max_pixels} pixels: {error}") from error
    except Exception as error:  # decoders fail in many ways on broken files; none of them is the server's fault
        raise UnreadableFileError(f"the picture is truncated or broken: {error}") from error


def _pixels(picture: Image.Image, max_pixels: int, photograph: bool) -> np.ndarray:
    width, height = picture.size
    if width * height * len(picture.getbands()) > max_pixels:
        raise TooManyPixelsError(
            f"expected at most {max_pixels} numbers, got a picture of {width} x {height} with {len(picture.getbands())} channels"
        )
    frames = getattr(picture, "n_frames", 1)
    if frames != 1 and not photograph:
        raise UnreadableFileError(f"expected one picture, got a file of {frames} frames")
    picture.load()
    return _to_float(_upright_and_opaque(picture) if photograph else picture)


def _upright_and_opaque(picture: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(picture)
    if not upright.has_transparency_data:
        return upright
    layer = upright.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _to_float(picture: Image.Image) -> np.ndarray:
    if picture.mode in SIXTEEN_BIT:
        return np.asarray(picture).astype(np.float32)[None] / np.float32(32767.5) - 1
    if picture.mode == "F":
        return np.asarray(picture, dtype=np.float32)[None]
    picture = _plain(picture)
    values = np.asarray(picture, dtype=np.float32) / np.float32(127.5) - 1
    return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))


def _plain(picture: Image.Image) -> Image.Image:
    """The picture as 8-bit grey or RGB."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA" if picture.mode != "LA" else "LA")
        alpha = picture.getchannel("A").getextrema()
        if alpha != (255, 255):
            raise UnreadableFileError("expected an opaque grey or RGB picture, got one with transparent pixels")
    grey = picture.mode in ("1", "L", "LA")
    if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"):
        raise UnreadableFileError(f"expected a grey or RGB picture with 8 or 16 bits, or a float TIFF, got mode {picture.mode}")
    return picture.convert("L" if grey else "RGB")
