"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Operator = Annotated[str, typer.Option(help="forward model; 'dpnp operators' lists them")]
Parameters = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a parameter of it; may be repeated")]
PriorName = Annotated[
    str | None, typer.Option(help="prior: a name that 'dpnp priors' lists, a path or a Hugging Face id; the default one if not given")
]
Seed = Annotated[int, typer.Option(min=0, help="the same seed gives the same numbers")]
