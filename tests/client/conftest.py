import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.client.scripted import MakeClient, Script, serving
from tests.client.twins import open_client


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script()) as script:
        yield script


@pytest.fixture(params=["sync", "async"])
def make_client(request: pytest.FixtureRequest, script: Script) -> Iterator[MakeClient]:
    opened: list[Any] = []
    with asyncio.Runner() as runner:

        def make(**settings: Any) -> Any:
            opened.append(open_client(request.param, runner, settings.pop("url", script.url), **settings))
            return opened[-1]

        yield make
        for client in opened:
            client.close()


@pytest.fixture
def client(make_client: MakeClient) -> Any:
    return make_client()
