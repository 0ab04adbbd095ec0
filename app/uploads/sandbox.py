"""Files of strangers decoded in another process, with a limit on its time and memory."""

from __future__ import annotations

import atexit
import logging
import math
import os
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from app.uploads import errors
from app.uploads.errors import TooDemandingError, UploadError
from app.uploads.wire import WAITING, Order, receive, receive_header, send

log = logging.getLogger(__name__)

MODULE = "app.uploads.host"
GRACE_SECONDS = 5.0  # the process ends itself in time; this is for one that cannot
KINDS = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, UploadError)}


class Sandbox:
    """``app.uploads.decode`` at arm's length. Safe to share between threads; the process behind it starts when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, so that the first file need not wait for it."""
        with self._lock:
            self._running()

    def stop(self) -> None:
        """End the process; it starts again when it is needed."""
        with self._lock:
            self._forget()

    def decode(self, content: bytes, max_pixels: int, *, seconds: float, memory: int, photograph: bool = False) -> np.ndarray:
        """As :func:`app.uploads.decode`,
        within ``seconds`` of processor time and ``memory`` bytes; over them it is a :class:`TooDemandingError`.
        """
        order = Order(len(content), max_pixels, photograph, seconds, memory)
        with self._connection() as connection:
            connection.settimeout(seconds * WAITING + GRACE_SECONDS)
            try:
                send(connection, order.header(), content)
                return self._array(connection, max_pixels)
            except (OSError, EOFError) as error:  # it was stopped, or crashed; which makes no difference
                limits = f"{seconds:g} s of processor time and {memory // 2**20} MiB"
                raise TooDemandingError(f"expected a file that can be decoded in {limits}, got one that cannot") from error

    def _array(self, connection: socket.socket, max_pixels: int) -> np.ndarray:
        """The answer, which is not believed either."""
        header = receive_header(connection)
        if "error" in header:
            kind = KINDS.get(header["error"])
            if kind is None:
                raise RuntimeError(f"a decoder failed: {header['error']}: {header['message']}")
            raise kind(header["message"])
        shape = tuple(int(n) for n in header["shape"])
        size = math.prod(shape)
        if size > max_pixels or any(n < 0 for n in shape):
            raise RuntimeError(f"a decoder gave an array of shape {shape}")
        return np.frombuffer(receive(connection, size * 4), np.float32).reshape(shape)

    def _connection(self) -> socket.socket:
        """A socket whose other end a fresh process has."""
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                socket.send_fds(self._running(), [b"\0"], [theirs.fileno()])
            except OSError:
                log.error("the decoding process is gone; another one is started")
                self._forget()
                socket.send_fds(self._running(), [b"\0"], [theirs.fileno()])
        return ours

    def _forget(self) -> None:
        """Let go of a process that is no more."""
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.wait()
        self._control = self._process = None

    def _running(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair()
            command = [sys.executable, "-m", MODULE, str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, env=_environment(), stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
            )
            theirs.close()
        return self._control


def _environment() -> dict[str, Any]:
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@cache
def sandbox() -> Sandbox:
    """The sandbox of this process; it ends with it."""
    shared = Sandbox()
    atexit.register(shared.stop)
    return shared
