"""API keys: a key is shown once, when it is made; the database has its hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

import sqlalchemy as sa

from app.store.base import Transactions
from app.store.database import api_keys, now
from app.store.errors import KeyExistsError, KeyNotFoundError
from app.store.rows import KeyRow, time_of

PREFIX = "dpnp"


class Keys(Transactions):
    """Who may call the service. A key is ``dpnp_<id>_<secret>``; 256 random bits need no slow hash."""

    def add_key(self, name: str) -> str:
        """Make a key; returns it. Raises :class:`KeyExistsError`."""
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        row = api_keys.insert().values(id=key_id, name=name, secret_hash=_hashed(secret), created_at=now())
        try:
            with self._write() as connection:
                connection.execute(row)
        except sa.exc.IntegrityError as error:
            raise KeyExistsError(name) from error
        return f"{PREFIX}_{key_id}_{secret}"

    def list_keys(self) -> list[KeyRow]:
        """All keys, revoked ones too, oldest first."""
        with self._read() as connection:
            rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at)).all()
        return [_key_from_row(row) for row in rows]

    def revoke_key(self, name: str) -> None:
        """The key opens nothing from now on. Raises :class:`KeyNotFoundError`."""
        known = api_keys.c.name == name
        with self._write() as connection:
            values = {"revoked_at": sa.func.coalesce(api_keys.c.revoked_at, now())}
            if not connection.execute(api_keys.update().where(known).values(**values)).rowcount:
                raise KeyNotFoundError(name)

    def has_keys(self) -> bool:
        """True once a key has been made, whether or not it was revoked since."""
        with self._read() as connection:
            return connection.execute(sa.select(api_keys.c.id).limit(1)).first() is not None

    def key_owner(self, key: str) -> str | None:
        """The id of the key if it is one of ours and not revoked. Takes as long for a wrong secret as for the right one."""
        _, _, rest = key.partition("_")
        key_id, _, secret = rest.partition("_")
        query = sa.select(api_keys.c.secret_hash).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        with self._read() as connection:
            found: str | None = connection.execute(query).scalar()
        equal = hmac.compare_digest(_hashed(secret), found or _hashed(""))
        return key_id if found is not None and equal and key.startswith(f"{PREFIX}_") else None


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key_from_row(row: sa.Row[Any]) -> KeyRow:
    return KeyRow(row.id, row.name, time_of(row.created_at), None if row.revoked_at is None else time_of(row.revoked_at))
