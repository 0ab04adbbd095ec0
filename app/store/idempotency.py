"""Idempotency keys: which job a key has queued, and which keys are being handled, in whatever process. Both count per owner."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from app.jobs import Job
from app.store.base import Transactions
from app.store.database import idempotency_claims, idempotency_keys, now
from app.store.errors import IdempotencyInFlightError, IdempotencyMismatchError
from app.store.locks import Lock, alone
from app.store.rows import Idempotency, NewJob


class IdempotencyKeys(Transactions):
    """That a key never queues two jobs is in the transaction that queues them. A claim only spares work, and so it may run out."""

    def replay(self, idempotency: Idempotency, owner: str | None = None) -> Job | None:
        """The job that this key queued before, if any. Raises :class:`IdempotencyMismatchError`."""
        with self._read() as connection:
            known = self._replay(connection, owner, idempotency)
            return None if known is None else self._job(connection, known)

    def hold(self, key: str, owner: str | None, seconds: float) -> str:
        """Claim the key until its job is queued, it is let go or ``seconds`` are over; returns what :meth:`let_go` wants.

        Raises :class:`IdempotencyInFlightError` when somebody else holds it.
        """
        holder = secrets.token_hex(8)
        with self._write() as connection:
            alone(connection, Lock.SUBMIT)
            connection.execute(idempotency_claims.delete().where(idempotency_claims.c.until < now()))  # those of processes that died
            if connection.execute(sa.select(idempotency_claims).where(*_is(idempotency_claims, key, owner))).first() is not None:
                raise IdempotencyInFlightError("a request with this idempotency key is being handled; ask again in a moment")
            values = {"owner": owner or "", "key": key, "holder": holder}
            connection.execute(idempotency_claims.insert().values(**values, until=now() + seconds))
        return holder

    def let_go(self, holder: str) -> None:
        """Give up a claim, unless it has run out."""
        with self._write() as connection:
            connection.execute(idempotency_claims.delete().where(idempotency_claims.c.holder == holder))

    def _replay(self, connection: sa.Connection, owner: str | None, idempotency: Idempotency) -> str | None:
        row = connection.execute(sa.select(idempotency_keys).where(*_is(idempotency_keys, idempotency.key, owner))).first()
        if row is not None and row.payload_hash != idempotency.payload_hash:
            raise IdempotencyMismatchError(f"the idempotency key {idempotency.key!r} was used before, with another payload")
        return None if row is None else row.job_id

    def _remember(self, connection: sa.Connection, job: NewJob, idempotency: Idempotency) -> None:
        values = {"key": idempotency.key, "payload_hash": idempotency.payload_hash, "job_id": job.id}
        connection.execute(idempotency_keys.insert().values(owner=job.owner or "", **values))
        connection.execute(idempotency_claims.delete().where(*_is(idempotency_claims, idempotency.key, job.owner)))


def _is(table: sa.Table, key: str, owner: str | None) -> list[sa.ColumnElement[bool]]:
    return [table.c.owner == (owner or ""), table.c.key == key]
