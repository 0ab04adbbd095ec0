"""Bring a database to the version of this code. Any number of processes may do so at the same time."""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.store.errors import DatabaseTooNewError
from app.store.locks import Lock, alone

log = logging.getLogger(__name__)

FIRST = "0001"


def upgrade(engine: sa.Engine) -> None:
    """Create or change the tables, all in one transaction. Raises :class:`DatabaseTooNewError`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    known = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        if _version(connection) == known.get_current_head():
            return
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        alone(connection, Lock.UPGRADE)
        version = _version(connection)
        if version is not None and version not in {script.revision for script in known.walk_revisions()}:
            raise DatabaseTooNewError(
                f"the database has version {version}, later than {known.get_current_head()}, which this service knows"
            )
        config.attributes["connection"] = connection
        if version is None and sa.inspect(connection).has_table("jobs"):  # made before there were versions
            command.stamp(config, FIRST)
        command.upgrade(config, "head")
        log.info("the database went from version %s to %s", version or "none", known.get_current_head())


def _version(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
