"""``dpnp operators`` and ``dpnp priors``: what there is."""

from __future__ import annotations

import json
from typing import Any

import typer


def operators() -> None:
    """List the forward models and their parameters."""
    import operators as catalogue

    for name in catalogue.names():
        typer.echo(f"{name}: {catalogue.summary(name)}")
        schema = catalogue.schema(name)
        for key, field in schema.get("properties", {}).items():
            typer.echo(f"  --set {key}={_default(field)}  {field.get('description', '')}".rstrip())


def _default(field: dict[str, Any]) -> str:
    return json.dumps(field["default"]) if "default" in field else str(field.get("type", "value")).upper()


def priors() -> None:
    """List the priors that have a name."""
    from app.catalogue import PriorCatalogue
    from app.cli.serve import read_settings

    settings = read_settings()
    found = PriorCatalogue(settings.priors).all()
    for info in found:
        words = [f"{'x'.join(map(str, info.image_shape))}", info.summary, f"licence: {info.licence}", f"data: {info.source}"]
        mark = " (default)" if info.name == settings.prior else ""
        typer.echo(f"{info.name}{mark}: {'; '.join(word for word in words if word)}")
    if not found:
        typer.echo("no prior has a name here; train one with 'dpnp train' and give its folder to --prior", err=True)
