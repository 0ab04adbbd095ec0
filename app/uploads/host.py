"""``python -m app.uploads.host FD``: decodes each file in a process of its own, which may take little time and memory and nothing else.

The socket FD brings one connected socket per file. This process forks for each, so that a decoder that crashes, hangs or grows takes
only its own file with it. It ends with the service, whose end closes the socket.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from app.uploads.decode import Decoded, decode, decode_measurement
from app.uploads.errors import UploadError
from app.uploads.wire import WAITING, Order, receive, receive_header, send

STATM = Path("/proc/self/statm")
MAX_MESSAGE = 2000


def main() -> None:
    """Serve until the other side of the socket closes."""
    Image.init()  # its plug-ins are loaded once, before the forks
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for
    control = socket.socket(fileno=int(sys.argv[1]))
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            _end_children()
            return
        if os.fork() == 0:
            control.close()
            _child(descriptors[0])
        os.close(descriptors[0])


def _end_children() -> None:
    """Kill what still decodes, or was stopped and heeds no alarm: nobody waits for it. This process leads their group, and goes too."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _child(descriptor: int) -> None:
    """Answer one order and end, whatever happens."""
    try:
        with socket.socket(fileno=descriptor) as connection:
            _answer(connection)
    finally:
        os._exit(0)


def _answer(connection: socket.socket) -> None:
    order = Order(**receive_header(connection))
    _confine(order)
    content = bytes(receive(connection, order.length))
    try:
        found = _decoded(content, order)
        shapes = {name: array.shape for name, array in found.stored.items()}
        send(connection, {"shape": found.array.shape, "stored": shapes}, found.array.tobytes())
        for array in found.stored.values():
            connection.sendall(array.tobytes())
    except UploadError as error:
        send(connection, _error(error))
    except MemoryError:
        return  # no answer: too demanding
    except Exception as error:
        send(connection, _error(error))


def _decoded(content: bytes, order: Order) -> Decoded:
    if order.stored:
        return decode_measurement(content, order.max_pixels, order.stored)
    return Decoded(decode(content, order.max_pixels, photograph=order.photograph))


def _error(error: Exception) -> dict[str, Any]:
    return {"error": type(error).__name__, "message": str(error)[:MAX_MESSAGE]}


def _confine(order: Order) -> None:
    """From here on: little time, little memory, no file, no core dump."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, order.seconds * WAITING)
    limits = {resource.RLIMIT_CPU: math.ceil(order.seconds), resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    if STATM.exists():
        limits[resource.RLIMIT_AS] = int(STATM.read_text().split()[0]) * resource.getpagesize() + order.memory + order.length
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    main()
