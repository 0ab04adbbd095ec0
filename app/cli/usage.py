"""Errors for people at a terminal: a message without a traceback, exit code 2 where the usage was wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn the errors that a user can cause into messages: exit code 2 for a wrong argument, 1 for a run that failed."""
    import dpnp
    import operators
    from app.catalogue import UnknownPriorError
    from app.problem import SpecError
    from app.uploads import UploadError

    try:
        yield
    except (SpecError, UnknownPriorError, UploadError, operators.OperatorError) as error:
        raise typer.BadParameter(str(error)) from error
    except dpnp.DivergedError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    except dpnp.DPnPError as error:
        raise typer.BadParameter(str(error)) from error


def parse_pairs(pairs: list[str], option: str) -> dict[str, Any]:
    """``["factor=4", "mode=fast"]`` as a mapping; a value is JSON where it can be read as such, else a string."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise typer.BadParameter(f"expected name=value, got {pair!r}", param_hint=option)
        if key.strip() in found:
            raise typer.BadParameter(f"{key.strip()} is given twice", param_hint=option)
        found[key.strip()] = _value(text.strip())
    if "name" in found:
        raise typer.BadParameter("a parameter cannot be called name", param_hint=option)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_input(path: Path) -> bytes:
    """The contents of a file that the user names."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {path}: {error.strerror or error}") from error


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """A message when ``path`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror or error}") from error
