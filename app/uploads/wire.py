"""What goes between the service and the process that decodes: a JSON header with its length before it, then bytes. Nothing is unpickled."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

LENGTH = struct.Struct("!I")
MAX_HEADER = 16 * 1024
WAITING = 3
"""A file may take this many times its processor time by the clock: the samplers want the processors too."""


@dataclass(frozen=True)
class Order:
    """A file to decode, and what decoding it may take."""

    length: int
    """Bytes of the file, which follow."""
    max_pixels: int
    photograph: bool
    seconds: float
    """Of processor time."""
    memory: int
    """Bytes beyond what the process has."""
    stored: Sequence[str] = ()
    """Arrays that are wanted beside the measurement."""

    def header(self) -> dict[str, Any]:
        """The order as JSON."""
        return asdict(self)


def send(connection: socket.socket, header: dict[str, Any], content: bytes = b"") -> None:
    """Send a header and the bytes that belong to it."""
    text = json.dumps(header).encode()
    connection.sendall(LENGTH.pack(len(text)) + text)
    connection.sendall(content)


def receive_header(connection: socket.socket) -> dict[str, Any]:
    """The next header. Raises ``EOFError`` when the other side has gone, ``ValueError`` when it sends something else."""
    (length,) = LENGTH.unpack(receive(connection, LENGTH.size))
    if length > MAX_HEADER:
        raise ValueError(f"a header of {length} bytes")
    header: dict[str, Any] = json.loads(receive(connection, length))
    return header


def receive(connection: socket.socket, length: int) -> bytearray:
    """Exactly ``length`` bytes. Raises ``EOFError`` when the other side has gone."""
    content = bytearray(length)
    view = memoryview(content)
    while view:
        got = connection.recv_into(view)
        if got == 0:
            raise EOFError(f"{len(view)} bytes are missing")
        view = view[got:]
    return content
