"""The seam between the one core and the two kinds of input and output.

The core is written once, as coroutines. ``AsyncClient`` awaits them. ``Client`` runs them over :class:`BlockingBackend`, whose
coroutines block instead of suspending, so that :func:`drive` finishes each in a single step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

import httpx

T = TypeVar("T")


class Backend(Protocol):
    """What the core needs of the world."""

    @property
    def http(self) -> httpx.Client | httpx.AsyncClient:
        """Builds the requests."""
        ...

    async def send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """The response; with ``stream``, before its body."""
        ...

    def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The body of a streamed response as it arrives."""
        ...

    async def read(self, response: httpx.Response) -> None:
        """Load the rest of a streamed response's body."""
        ...

    async def release(self, response: httpx.Response) -> None:
        """Give the connection of a streamed response back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class BlockingBackend:
    """Blocks the calling thread; its coroutines never suspend."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    async def send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        return self.http.send(request, stream=stream)

    async def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        for chunk in response.iter_bytes():
            yield chunk

    async def read(self, response: httpx.Response) -> None:
        response.read()

    async def release(self, response: httpx.Response) -> None:
        response.close()

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def close(self) -> None:
        self.http.close()


class AsyncioBackend:
    """Suspends on asyncio."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        return await self.http.send(request, stream=stream)

    def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        return response.aiter_bytes()

    async def read(self, response: httpx.Response) -> None:
        await response.aread()

    async def release(self, response: httpx.Response) -> None:
        await response.aclose()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        await self.http.aclose()


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine over :class:`BlockingBackend`."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("a blocking call tried to suspend")


def drive_iterator(values: AsyncIterator[T]) -> Iterator[T]:
    """The values of an asynchronous generator over :class:`BlockingBackend`."""
    try:
        while True:
            try:
                yield drive(_next(values))
            except StopAsyncIteration:
                return
    finally:
        aclose = getattr(values, "aclose", None)
        if aclose is not None:
            drive(aclose())


async def _next(values: AsyncIterator[T]) -> T:
    return await anext(values)
