"""The service as a process."""

from __future__ import annotations

import socket

import uvicorn

from app.engine import EmbeddedEngine
from app.logs import set_up_logging
from app.settings import Settings

DRAIN_SECONDS = 5


def serve(settings: Settings | None = None) -> None:
    """Listen until interrupted. Prints the address once it is known. Raises ``OSError`` when the address is taken.

    Raises :class:`app.store.StoreError` or ``sqlalchemy.exc.OperationalError`` when the job store cannot be used.
    """
    settings = settings or Settings()
    set_up_logging(settings.log_level, settings.log_format)
    with _listen(settings.host, settings.port) as listener:
        engine = EmbeddedEngine(settings)
        engine.start()
        try:
            _run(settings, engine, listener)
        finally:
            engine.stop()


def _run(settings: Settings, engine: EmbeddedEngine, listener: socket.socket) -> None:
    from app.api.application import create_app  # takes seconds, in which the workers start too

    config = uvicorn.Config(
        create_app(settings, engine),
        log_config=None,
        access_log=settings.log_level == "debug",
        ws="none",
        timeout_graceful_shutdown=DRAIN_SECONDS,
        server_header=False,
    )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(f"DPnP serves on http://{host}:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(128)
    return listener
