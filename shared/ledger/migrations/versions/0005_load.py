"""Of jobs: what load was measured, and when the next chunk may begin. Of chunks: how often they lost their worker."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply."""
    json = postgresql.JSONB(astext_type=sa.Text())
    op.add_column("jobs", sa.Column("load", json, comment="the load as it was last measured"), schema="pgconvoy")
    op.add_column(
        "jobs",
        sa.Column(
            "paced_until",
            sa.DateTime(timezone=True),
            comment="under a limit of bytes a second: when the next chunk may begin",
        ),
        schema="pgconvoy",
    )
    op.alter_column(
        "chunks",
        "number",
        comment="1-based, in key order; a split chunk's parts go last",
        existing_comment="1-based, in key order",
        schema="pgconvoy",
    )
    op.add_column(
        "chunks",
        sa.Column("lost", sa.Integer(), nullable=False, server_default="0", comment="how often its worker was lost"),
        schema="pgconvoy",
    )
