"""Make ``app/examples/astronaut.png`` from scikit-image's copy of NASA's public-domain portrait.

Needs scikit-image, which the project itself does not::

    python -m venv example-env && example-env/bin/pip install scikit-image pillow && example-env/bin/python tools/make_example.py
"""

from pathlib import Path

from PIL import Image
from skimage.data import astronaut

LEFT, TOP, SIZE = 178, 80, 92  # a tight frontal crop: eyes at a fifth of the height, as in the data of the prior faces-64
OUT = Path(__file__).parents[1] / "app" / "examples" / "astronaut.png"


def main() -> None:
    """Crop, convert to grey (ITU-R 601 luma), resample to 64 x 64 and write."""
    face = Image.fromarray(astronaut()).crop((LEFT, TOP, LEFT + SIZE, TOP + SIZE)).convert("L")
    face.resize((64, 64), Image.Resampling.LANCZOS).save(OUT, optimize=True)
    print(OUT)


if __name__ == "__main__":
    main()
