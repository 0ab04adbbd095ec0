"""A real HTTP server that answers from a script, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer. ``hang_up``: close the connection instead; ``pieces``: a body in parts, cut off after the last when ``cut``."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    pieces: tuple[bytes, ...] = ()
    cut: bool = False


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    query: str = ""


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None, kind: str = "application/json") -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": kind, **(headers or {})})


def problem(status: int, title: str = "Wrong", detail: str = "", headers: dict[str, str] | None = None, **more: Any) -> Reply:
    value = {"type": "urn:test", "title": title, "status": status, "detail": detail, **more}
    return as_json(value, status, headers, "application/problem+json")


def job(status: str = "queued", step: int = 0, total: int = 4, error: Any = None, job_id: str = "j1") -> dict[str, Any]:
    return {
        "id": job_id,
        "status": status,
        "spec": {"operator": {"name": "super_resolution"}},
        "created_at": "2025-01-01T00:00:00Z",
        "started_at": None,
        "finished_at": None,
        "progress": {"step": step, "total": total},
        "queue_position": 1 if status == "queued" else None,
        "attempt": 0,
        "error": error,
        "links": {},
    }


def event(number: int, status: str, step: int, total: int = 4) -> bytes:
    data = {"id": "j1", "status": status, "progress": {"step": step, "total": total}, "queue_position": None}
    return f"id: {number}\r\nevent: progress\r\ndata: {json.dumps(data)}\r\n\r\n".encode()


def stream(*pieces: bytes, cut: bool = False) -> Reply:
    return Reply(200, headers={"Content-Type": "text/event-stream"}, pieces=pieces, cut=cut)


class Script:
    """``on(method, path, *replies)``: the replies in turn, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._replies: dict[tuple[str, str], list[Reply]] = defaultdict(list)
        self._lock = threading.Lock()

    def on(self, method: str, path: str, *replies: Reply) -> Script:
        self._replies[method, path] += replies
        return self

    def requests(self, path: str) -> list[Asked]:
        return [a for a in self.asked if a.path == path]

    def answer(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            replies = self._replies[asked.method, asked.path]
            if not replies:
                return problem(404, "Not Found", f"nothing scripted for {asked.method} {asked.path}")
            return replies.pop(0) if len(replies) > 1 else replies[0]


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {k.lower(): v for k, v in self.headers.items()}
            path, _, query = self.path.partition("?")
            reply = script.answer(Asked(self.command, path, headers, self.rfile.read(length), query))
            self.close_connection = True
            if not reply.hang_up:
                self._send(reply)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            body = b"".join(reply.pieces) or reply.body
            length = len(body) + (100 if reply.cut else 0)  # more than ever comes: the client sees a broken connection
            for name, value in {"Content-Length": str(length), "Connection": "close", **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _handle

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(script: Script) -> Iterator[Script]:
    """Serve ``script`` on a free loopback port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


MakeClient = Callable[..., Any]
