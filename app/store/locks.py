"""Locks that hold in all processes of a service, to the end of the transaction."""

from __future__ import annotations

from enum import IntEnum

import sqlalchemy as sa


class Lock(IntEnum):
    """What one process at a time may do. The numbers only have to be unlike those of other programs in the same database."""

    UPGRADE = 0x64706E70
    SUBMIT = 0x64706E71


def alone(connection: sa.Connection, lock: Lock) -> None:
    """Wait until nobody else holds ``lock``. On SQLite a transaction that writes is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(int(lock))))
