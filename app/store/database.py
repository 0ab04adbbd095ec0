"""Engine set-up, the tables and the database's clock: all that depends on the kind of database is here.

A change of the tables goes into a new file of :mod:`app.store.migrations.versions` as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from psycopg.errors import IdleInTransactionSessionTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from app.store.errors import StoreUrlError
from app.store.migrations import upgrade

BUSY_TIMEOUT_MS = 15_000
IDLE_TIMEOUT_MS = 15_000  # a transaction whose process froze must not keep its locks
SQLITE = "sqlite"
POSTGRESQL = "postgresql+psycopg"
DRIVERS = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "postgres": POSTGRESQL}
EXAMPLE = "postgresql://user:password@host/database"

metadata = sa.MetaData()

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("step", sa.Integer, nullable=False, default=0),
    sa.Column("total", sa.Integer, nullable=False, default=0),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("lease_token", sa.Integer, nullable=False, default=0, doc="fencing token: grows with every claim"),
    sa.Column("lease_until", sa.Double),
    sa.Column("worker", sa.String(64)),
    sa.Column("owner", sa.String(32), doc="the API key that submitted it; null where no keys were asked for"),
    sa.Column("running_seconds", sa.Double, nullable=False, server_default="0", doc="over all attempts, as last told by a worker"),
    sa.Index("jobs_by_status", "status", "seq"),
    sa.Index("jobs_by_owner", "owner", "seq"),
    sqlite_autoincrement=True,
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("events_by_job", "job_id", "id"),
    sqlite_autoincrement=True,
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("owner", sa.String(32), primary_key=True, doc="an API key, or empty"),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("payload_hash", sa.String(64), nullable=False),
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
)

idempotency_claims = sa.Table(
    "idempotency_claims",
    metadata,
    sa.Column("owner", sa.String(32), primary_key=True, doc="an API key, or empty"),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("holder", sa.String(16), nullable=False, doc="the request that is being handled"),
    sa.Column("until", sa.Double, nullable=False, doc="when the claim ends should its process have died"),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False, doc="starting, ready or broken"),
    sa.Column("detail", sa.Text, nullable=False, default=""),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("denoiser_calls", sa.BigInteger, nullable=False, default=0),
    sa.Column("sampling_seconds", sa.Double, nullable=False, default=0.0),
    sa.Column("priors", sa.JSON, doc="names of the priors in its memory"),
)


api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("secret_hash", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("revoked_at", sa.Double),
)


class now(FunctionElement[float]):
    """The database's clock: seconds since 1970, with fractions."""

    type = sa.Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite_now(element: now, compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now)
def _standard_now(element: now, compiler: Any, **_: Any) -> str:
    return "cast(extract(epoch from clock_timestamp()) as double precision)"


def connect(url: str) -> sa.Engine:
    """An engine whose transactions are durable, with the tables in place.

    Raises :class:`app.store.StoreUrlError` for a URL that names no SQLite or PostgreSQL database, and what :func:`upgrade` raises.
    """
    parsed = _parse(url)
    if parsed.drivername == SQLITE:
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(parsed, pool_size=10, max_overflow=40)
        _set_up_sqlite(engine)
    else:  # a connection may have died with its server: look before use
        engine = sa.create_engine(parsed, pool_size=5, max_overflow=20, pool_pre_ping=True)
        _set_up_postgresql(engine)
    try:
        upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:  # the URL may hold a password: it is not repeated
        raise StoreUrlError(f"expected a URL such as {EXAMPLE}, got something else") from error
    kind = parsed.drivername.partition("+")[0]
    if kind not in DRIVERS:
        raise StoreUrlError(f"expected a URL such as {EXAMPLE}, got one of {kind!r}")
    return parsed.set(drivername=DRIVERS[kind])


def _set_up_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A deferred transaction that reads and then writes fails with "database is locked" when another wrote in between.
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _set_up_postgresql(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _end_idle_transactions(connection: Any, _record: object) -> None:
        connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS}")
        connection.commit()

    @sa.event.listens_for(engine, "handle_error")
    def _as_any_lost_connection(context: sa.engine.ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, IdleInTransactionSessionTimeout):
            raise sa.exc.OperationalError(context.statement, context.parameters, error) from error
