"""API keys, and jobs and idempotency keys that belong to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """What was there before belongs to no key."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("revoked_at", sa.Double),
    )
    op.add_column("jobs", sa.Column("owner", sa.String(32)))
    op.create_index("jobs_by_owner", "jobs", ["owner", "seq"])
    _scope_idempotency()


def _scope_idempotency() -> None:
    """Another primary key, for which SQLite needs another table."""
    old = sa.table("idempotency_keys", sa.column("key"), sa.column("payload_hash"), sa.column("job_id"))
    rows = [dict(row) for row in op.get_bind().execute(sa.select(old)).mappings()]
    op.drop_table("idempotency_keys")
    new = op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(32), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("payload_hash", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    )
    op.bulk_insert(new, [{"owner": "", **row} for row in rows])
