"""Of chunks: where their time went, and two more copy paths. Of jobs: how much load they may make."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

_SECONDS = {
    "wait_s": "from the message's sending to the claim",
    "read_s": "reading the source",
    "convert_s": "bringing values to the target's types",
    "write_s": "PostgreSQL taking the rows",
    "commit_s": "the commit; written after it, so NULL where the worker was lost in between",
    "compare_s": "the whole comparison",
}
_PATHS = ("arrow_bare", "arrow_compared", "arrow_split", "arrow_upsert", "careful_bare", "careful_upsert")


def upgrade() -> None:
    """Apply."""
    for name, comment in _SECONDS.items():
        op.add_column("chunks", sa.Column(name, sa.Double(), comment=comment), schema="pgconvoy")
    op.drop_constraint("chunks_path", "chunks", schema="pgconvoy")
    listed = ", ".join(f"'{path}'" for path in _PATHS)
    op.create_check_constraint("chunks_path", "chunks", f"path IS NULL OR path IN ({listed})", schema="pgconvoy")
    json = postgresql.JSONB(astext_type=sa.Text())
    op.add_column(
        "jobs", sa.Column("max_load", json, comment="the load that the operator allows; NULL: any"), schema="pgconvoy"
    )
    op.add_column(
        "jobs",
        sa.Column("in_flight", sa.Integer(), comment="how many chunks may be copied at once now; NULL: any number"),
        schema="pgconvoy",
    )
