"""What people say of a foreign checkpoint, in a small JSON file beside it: licence, source, summary and what its tensors cannot tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dpnp.errors import PriorError


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises :class:`dpnp.PriorError` when there is none."""
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise PriorError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise PriorError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise PriorError(f"{path} holds a {type(content).__name__}, expected a JSON object")
    return content


def read_about(path: Path) -> dict[str, Any]:
    """The object in ``path``, or an empty one when there is no such file."""
    return read_json(path) if path.is_file() else {}
