"""The database's versions, and the way from one to the next: Alembic's scripts, run whenever the store is opened."""

from app.store.migrations.upgrade import upgrade

__all__ = ["upgrade"]
