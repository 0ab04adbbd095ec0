"""``dpnp keys``: who may call the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.store import Store

keys = typer.Typer(name="keys", help="Add, list and revoke the API keys of the service that DPNP_* describes.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="a name to know the key by", show_default=False)]
MAX_NAME = 100


@keys.command()
def add(name: Name) -> None:
    """Make a key and print it, for the only time. From the first key on, every call needs one."""
    if not name.strip() or len(name) > MAX_NAME:
        raise typer.BadParameter(f"expected 1 to {MAX_NAME} characters, got {len(name)}", param_hint="NAME")
    with _store() as store:
        typer.echo(store.add_key(name))
    typer.echo("This is the only time that the key is shown. Callers send it as 'Authorization: Bearer KEY'.", err=True)


@keys.command("list")
def list_keys() -> None:
    """List the keys; a key's id is the owner of its jobs."""
    with _store() as store:
        found = store.list_keys()
    for key in found:
        revoked = f", revoked {key.revoked_at:%Y-%m-%d %H:%M} UTC" if key.revoked_at else ""
        typer.echo(f"{key.name}: id {key.id}, added {key.created_at:%Y-%m-%d %H:%M} UTC{revoked}")
    if not found:
        typer.echo("there are no keys: everybody who reaches the service may use it, unless DPNP_AUTH=required", err=True)


@keys.command()
def revoke(name: Name) -> None:
    """Let a key open nothing any more. Its jobs stay until they expire; the service keeps asking for keys."""
    with _store() as store:
        store.revoke_key(name)
    typer.echo(f"{name} is revoked")


@contextmanager
def _store() -> Iterator[Store]:
    from app.cli.serve import read_settings, store_errors
    from app.store import KeyExistsError, KeyNotFoundError, Store

    with store_errors():
        store = Store(read_settings().store_url)
        try:
            yield store
        except (KeyExistsError, KeyNotFoundError) as error:
            raise typer.BadParameter(str(error), param_hint="NAME") from error
        finally:
            store.close()
