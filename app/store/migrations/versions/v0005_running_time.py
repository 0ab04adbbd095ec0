"""How long a job has run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """What ran before is not counted."""
    op.add_column("jobs", sa.Column("running_seconds", sa.Double, nullable=False, server_default="0"))
