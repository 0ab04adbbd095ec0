"""``dpnp serve``: the service in the foreground."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on, instead of DPNP_HOST")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="port to listen on, instead of DPNP_PORT; 0 takes a free one")] = None,
) -> None:
    """Start the service; the DPNP_* environment variables configure it."""
    from app.api import serve as run

    settings = read_settings(**{k: v for k, v in {"host": host, "port": port}.items() if v is not None})
    try:
        with store_errors():
            run(settings)
    except OSError as error:
        raise typer.BadParameter(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from error


def read_settings(**given: Any) -> Any:
    """The settings of the environment, with some ``given``. A bad one is a usage error that names its variable."""
    import pydantic

    from app.settings import PREFIX, Settings

    try:
        return Settings(**given)
    except pydantic.ValidationError as error:
        lines = [f"{PREFIX}{str(e['loc'][0]).upper() if e['loc'] else ''}: {e['msg']}" for e in error.errors()]
        raise typer.BadParameter("; ".join(lines)) from error


@contextmanager
def store_errors() -> Iterator[None]:
    """A message in place of a traceback when the job store cannot be used."""
    import sqlalchemy as sa

    from app.store import StoreError

    try:
        yield
    except StoreError as error:
        raise typer.BadParameter(str(error), param_hint="DPNP_DATABASE_URL") from error
    except sa.exc.OperationalError as error:
        typer.echo(f"Error: the job store cannot be reached: {str(error.orig).strip()}", err=True)
        raise typer.Exit(1) from error
