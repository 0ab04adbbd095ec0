"""The service around a prior that samples in milliseconds."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.api import create_app
from app.settings import Settings
from app.store import Store
from app.store.database import metadata
from app.worker.loop import Worker
from tests.app.attempts import Clock, MakeWorker
from tests.app.helpers import Idle, LiveServer
from tests.app.postgres import Postgres
from tests.app.tiny import write_tiny_prior

MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="session")
def priors_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("priors")
    write_tiny_prior(folder / "tiny")
    write_tiny_prior(folder / "tiny-rgb", channels=3)
    return folder


@pytest.fixture
def make_settings(tmp_path: Path, priors_dir: Path) -> MakeSettings:
    def make(**changes: object) -> Settings:
        values = {"data_dir": tmp_path / "data", "prior": "tiny", "priors": priors_dir, "device": "cpu", "threads": 1, "_env_file": None}
        return Settings(**{**values, **changes})

    return make


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite3'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture(scope="session")
def postgres_store(postgres: Postgres) -> Iterator[Store]:
    store = Store(postgres.database())
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "postgresql":
        store: Store = request.getfixturevalue("postgres_store")
        with store._write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        yield store
    else:
        store = Store(f"sqlite:///{tmp_path / 'store.sqlite3'}")
        yield store
        store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], capture_output=True, check=False).returncode
    ):
        pytest.skip("NOT TESTED ON A FULL DISK: mounting a small one needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The API with an engine that does nothing: jobs stay queued."""
    with TestClient(create_app(settings, Idle())) as client:
        yield client


@pytest.fixture(scope="session")
def arviz() -> None:
    """ArviZ announces its next major version with a warning when it is first imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        __import__("arviz")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, priors_dir: Path) -> Iterator[LiveServer]:
    """The real service in a process of its own, with its real worker process."""
    server = LiveServer(tmp_path_factory.mktemp("live"), priors_dir)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_worker(make_settings: MakeSettings) -> Iterator[MakeWorker]:
    """Workers in this process, whose watchers look often."""
    made: list[Worker] = []

    def make(name: str = "w", **changes: Any) -> Worker:
        changes = {"checkpoint_every": 2, "cancel_poll_seconds": 0.02, **changes}
        worker = Worker(name, make_settings(**changes))
        worker.watcher.start()
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.watcher.end()
        worker.watcher.join()
        worker.store.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("app.store.rows.monotonic", clock)
    return clock
