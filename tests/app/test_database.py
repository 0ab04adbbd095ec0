"""The two kinds of database: their settings, their clocks, and the upgrade of older ones."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from app.jobs import JobStatus, Spec
from app.store import UNREACHABLE, DatabaseTooNewError, Idempotency, NewJob, Store, StoreUrlError
from app.store.database import connect, metadata, now
from app.store.migrations.versions import v0001_jobs
from tests.app.helpers import spec
from tests.app.postgres import Postgres


def tables(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names())


def test_the_scripts_make_the_tables_that_the_code_describes(database_url: str) -> None:
    engine = connect(database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
    engine.dispose()


def test_processes_that_start_together_upgrade_once(database_url: str) -> None:
    start = threading.Barrier(4)

    def open_store(_: int) -> None:
        start.wait()
        Store(database_url).close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_store, range(4)))
    engine = connect(database_url)
    with engine.connect() as connection:
        assert len(connection.execute(sa.text("SELECT version_num FROM alembic_version")).all()) == 1
    engine.dispose()


def raw(url: str) -> sa.Engine:
    return sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


def test_a_database_from_before_the_versions_keeps_its_jobs(database_url: str) -> None:
    """Such a database has the tables of version 1 and nothing that says so."""
    from alembic.operations import Operations

    engine = raw(database_url)
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        v0001_jobs.upgrade()
        columns = "id, status, spec, created_at, step, total, attempt, lease_token"
        row = f"INSERT INTO jobs ({columns}) VALUES ('old', 'queued', :spec, 1.5, 0, 4, 0, 0)"
        connection.execute(sa.text(row), {"spec": Spec.model_validate(spec()).model_dump_json()})
        connection.execute(sa.text("INSERT INTO events (job_id, type, data) VALUES ('old', 'status', '{}')"))
        connection.execute(sa.text("INSERT INTO idempotency_keys (key, payload_hash, job_id) VALUES ('k', 'h', 'old')"))
    engine.dispose()
    store = Store(database_url)
    job = store.get("old")
    assert (job.status, job.created_at.timestamp(), job.spec.model_dump(mode="json")) == (JobStatus.QUEUED, 1.5, spec())
    assert len(store.events_after("old", 0)) == 1
    assert store.replay(Idempotency("k", "h")) == job
    claim = store.claim("w", 100)
    assert claim is not None
    assert store.succeed(claim)
    store.close()


def test_a_database_of_a_later_version_is_left_alone(database_url: str) -> None:
    Store(database_url).close()
    engine = raw(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNewError, match="9999"):
        Store(database_url)
    engine.dispose()


def test_a_failed_upgrade_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr("alembic.op.create_index", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        Store(database_url)
    engine = raw(database_url)
    assert tables(engine) == set()
    engine.dispose()
    monkeypatch.undo()
    Store(database_url).close()


def test_the_clock_is_the_databases(database_url: str) -> None:
    engine = connect(database_url)
    with engine.connect() as connection:
        first, second = (connection.execute(sa.select(now())).scalar_one() for _ in range(2))
        assert isinstance(first, float)
        assert abs(first - time.time()) < 5
        assert first <= second
        time.sleep(0.05)
        assert 0.04 < connection.execute(sa.select(now() - second)).scalar_one() < 5
    engine.dispose()


def test_sqlite_is_durable_and_patient(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    with engine.connect() as connection:
        pragmas = {name: connection.execute(sa.text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous", "foreign_keys")}
        timeout = connection.execute(sa.text("PRAGMA busy_timeout")).scalar()
    engine.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert timeout >= 5000


@pytest.mark.parametrize("url", ["", "db.sqlite3", "mysql://user:secret@host/x", "postgresql//user:secret@host/x"])
def test_a_url_of_no_use_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StoreUrlError, match="postgresql://") as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_a_transaction_whose_process_froze_lets_its_locks_go(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite this is the engine's part: see the tests of crashes."""
    monkeypatch.setattr("app.store.database.IDLE_TIMEOUT_MS", 500)
    store = Store(postgres.database())
    store.insert(NewJob("a" * 32, Spec.model_validate(spec())), max_queue=10)
    claim = store.claim("frozen", 0.0)
    assert claim is not None

    def freeze_in_the_middle() -> None:
        with store._write() as connection:
            store._lock(connection, claim.job.id)
            assert [job.status for job in store.recover(3)] == [JobStatus.QUEUED]
            connection.execute(sa.text("SELECT 1"))

    with pytest.raises(UNREACHABLE, match="idle-in-transaction timeout"):
        freeze_in_the_middle()
    store.close()
