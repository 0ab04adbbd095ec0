"""The example photograph that comes with the package."""

from pathlib import Path

ASTRONAUT = Path(__file__).with_name("astronaut.png")
