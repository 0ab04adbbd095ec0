"""A pickle that would run code when it is read."""

from __future__ import annotations

import os
from pathlib import Path


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)
