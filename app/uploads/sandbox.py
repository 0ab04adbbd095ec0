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
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from app.uploads import errors
from app.uploads.decode import Decoded
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
        return self._answer(Order(len(content), max_pixels, photograph, seconds, memory), content).array

    def decode_measurement(self, content: bytes, max_pixels: int, stored: Sequence[str], *, seconds: float, memory: int) -> Decoded:
        """As :func:`app.uploads.decode_measurement`, within the limits of :meth:`decode`."""
        return self._answer(Order(len(content), max_pixels, False, seconds, memory, tuple(stored)), content)

    def _answer(self, order: Order, content: bytes) -> Decoded:
        with self._connection() as connection:
            connection.settimeout(order.seconds * WAITING + GRACE_SECONDS)
            try:
                send(connection, order.header(), content)
                return self._arrays(connection, order)
            except (OSError, EOFError) as error:  # it was stopped, or crashed; which makes no difference
                limits = f"{order.seconds:g} s of processor time and {order.memory // 2**20} MiB"
                raise TooDemandingError(f"expected a file that can be decoded in {limits}, got one that cannot") from error

    def _arrays(self, connection: socket.socket, order: Order) -> Decoded:
        """The answer, which is not believed either."""
        header = receive_header(connection)
        if "error" in header:
            kind = KINDS.get(header["error"])
            if kind is None:
                raise RuntimeError(f"a decoder failed: {header['error']}: {header['message']}")
            raise kind(header["message"])
        shapes = {str(name): _shape(numbers) for name, numbers in header["stored"].items()}
        shape = _shape(header["shape"])
        if sum(map(math.prod, [shape, *shapes.values()])) > order.max_pixels or not set(shapes) <= set(order.stored):
            raise RuntimeError(f"a decoder gave an array of shape {shape} and {shapes}")
        array = _received(connection, shape, np.float32)
        return Decoded(array, {name: _received(connection, shape, np.float64) for name, shape in shapes.items()})

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


def _shape(numbers: Sequence[Any]) -> tuple[int, ...]:
    shape = tuple(int(n) for n in numbers)
    if any(n < 0 for n in shape):
        raise RuntimeError(f"a decoder gave an array of shape {shape}")
    return shape


def _received(connection: socket.socket, shape: tuple[int, ...], dtype: type[np.floating[Any]]) -> np.ndarray:
    return np.frombuffer(receive(connection, math.prod(shape) * np.dtype(dtype).itemsize), dtype).reshape(shape)


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
