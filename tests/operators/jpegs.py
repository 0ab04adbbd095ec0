"""Pictures, JPEG files that Pillow makes of them, and an independent way back from coefficients to samples."""

import io

import numpy as np
from PIL import Image
from scipy.fft import idctn


def picture(height, width, channels=1, seed=0):
    """uint8 (H, W) or (H, W, 3): waves, an edge and noise, so that every coefficient is in use."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [90 * np.sin(x / (4 + 2 * c)) * np.cos(y / (3 + c)) for c in range(channels)]
    image = 128 + np.stack(waves, axis=-1) + 60 * (x > 0.6 * width)[..., None] + rng.normal(0, 15, (height, width, channels))
    image = np.clip(image, 0, 255).astype(np.uint8)
    return image[..., 0] if channels == 1 else image


def jpeg(image, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", **options)
    return file.getvalue()


def samples(component):
    """Samples of a component, (rows, columns), neither rounded nor clipped, of whole blocks."""
    pixels = idctn(component.coefficients * component.quantisation.astype(float), axes=(2, 3), norm="ortho") + 128
    rows, columns = pixels.shape[:2]
    return pixels.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)


def decoded(data):
    """What Pillow decodes: grey (H, W), or Y, Cb and Cr (H, W, 3) before the conversion to RGB."""
    image = Image.open(io.BytesIO(data))
    image.draft("YCbCr" if image.mode == "RGB" else "L", None)
    return np.asarray(image).astype(float)
