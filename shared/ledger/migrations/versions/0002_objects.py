"""Of jobs: objects that belong to no single table, the source's versions, and what could not be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_COMMENTS = {
    "objects": "what belongs to no single table",
    "versions": "of the source's schema",
    "unreadable": "what a damaged source did not give",
}


def upgrade() -> None:
    """Apply."""
    for name, comment in _COMMENTS.items():
        column = sa.Column(
            name, postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False, comment=comment
        )
        op.add_column("jobs", column, schema="pgconvoy")
