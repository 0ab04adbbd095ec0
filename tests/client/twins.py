"""Both clients behind one blocking face, so that every test runs on either."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable
from typing import Any

from dpnp_client import AsyncClient, Client, RetryPolicy

QUICK = RetryPolicy(retries=4, first_delay=0.001, max_delay=0.002)


class Blocking:
    """An ``AsyncClient``, ``AsyncJob`` or ``AsyncResult`` whose coroutines are run where they are called."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target, self._runner = target, runner

    def __getattr__(self, name: str) -> Any:
        return self._settle(getattr(self._target, name))

    def __repr__(self) -> str:
        return repr(self._target)

    def _settle(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            return self._settle(self._runner.run(value))
        if isinstance(value, AsyncGenerator):
            return iter(self._runner.run(_collect(value)))
        if inspect.ismethod(value):
            return self._caller(value)
        if isinstance(value, list):
            return [self._settle(v) for v in value]
        return Blocking(value, self._runner) if type(value).__name__.startswith("Async") else value

    def _caller(self, method: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._settle(method(*args, **kwargs))


async def _collect(values: AsyncGenerator[Any]) -> list[Any]:
    return [value async for value in values]


def open_client(kind: str, runner: asyncio.Runner, url: str, **settings: Any) -> Any:
    """The client of that kind, ``sync`` or ``async``; ``close()`` it."""
    settings.setdefault("retries", QUICK)
    return Client(url, **settings) if kind == "sync" else Blocking(AsyncClient(url, **settings), runner)
