"""Server-sent events, decoded as bytes arrive (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

import codecs
import json
import re

from dpnp_client.errors import ProtocolError
from dpnp_client.models import Event

_LINE_END = re.compile(r"\r\n|\n|\r(?!$)")  # a "\r" at the very end may be half of "\r\n": wait for what follows


class EventDecoder:
    """Bytes in, events out; comments and unknown fields are dropped. An event that the connection cuts short is never given out."""

    def __init__(self, last_event_id: str = "") -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._buffer = ""
        self._id, self._type, self._data = last_event_id, "", list[str]()

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that ``chunk`` completes. Raises :class:`ProtocolError` for data that is not a JSON object."""
        *lines, self._buffer = _LINE_END.split(self._buffer + self._decode(chunk))
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Event | None:
        kind, text = self._type or "message", "\n".join(self._data)
        self._type, self._data = "", []
        return Event(self._id, kind, _json_object(text)) if text else None


def _json_object(text: str) -> dict[str, object]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ProtocolError(f"expected JSON in an event, got {text[:200]!r}") from error
    if not isinstance(data, dict):
        raise ProtocolError(f"expected a JSON object in an event, got {text[:200]!r}")
    return data
