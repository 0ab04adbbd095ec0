"""The HTTP face of the service. It is imported when it is asked for: ``serve`` starts the workers first, and torch takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.engine import Engine
    from app.settings import Settings

__all__ = ["create_app", "serve"]


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> FastAPI:
    """The service as an ASGI application. ``engine`` runs the jobs; worker processes on this host if not given."""
    from app.api.application import create_app as create

    return create(settings, engine)


def serve(settings: Settings | None = None) -> None:
    """Listen until interrupted. Prints the address once it is known. Raises ``OSError`` when the address is taken."""
    from app.api.server import serve as run

    run(settings)
