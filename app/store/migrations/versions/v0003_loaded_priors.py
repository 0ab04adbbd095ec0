"""Which priors a worker has in memory."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """A worker that does not say has none."""
    op.add_column("workers", sa.Column("priors", sa.JSON))
