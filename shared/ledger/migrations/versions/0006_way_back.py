"""Of jobs: whether they are paused, and that they were rolled back. What they did to rows that were there before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_STATES = "cancelled, completed, completed_with_rejects, copying, failed, planned, rolled_back, verifying"
_ENDS = "cancelled, completed, completed_with_rejects, failed, rolled_back"


def upgrade() -> None:
    """Apply."""
    _pausing()
    _rolling_back()
    _undo()


def _pausing() -> None:
    comment = "since when nothing is begun; NULL: it is not paused"
    op.add_column("jobs", sa.Column("paused_at", sa.DateTime(timezone=True), comment=comment), schema="pgconvoy")


def _rolling_back() -> None:
    for name in ("jobs_state", "jobs_ended"):
        op.drop_constraint(name, "jobs", schema="pgconvoy")
    op.create_check_constraint("jobs_state", "jobs", f"state IN ({_listed(_STATES)})", schema="pgconvoy")
    ended = f"(state IN ({_listed(_ENDS)})) = (ended_at IS NOT NULL)"
    op.create_check_constraint("jobs_ended", "jobs", ended, schema="pgconvoy")


def _listed(states: str) -> str:
    return ", ".join(f"'{state}'" for state in states.split(", "))


def _undo() -> None:
    op.create_table(
        "undo",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        *(_reference(name, to) for name, to in (("job_id", "jobs"), ("table_id", "tables"), ("chunk_id", "chunks"))),
        sa.Column(
            "before", sa.Text(), comment="the target's row before it was changed, as text; NULL: it was inserted"
        ),
        sa.Column("after", sa.Text(), nullable=False, comment="the row as the job left it, as text"),
        schema="pgconvoy",
        comment="what a job did to rows of tables that were there before it, where it was asked to remember",
    )
    for name in ("job_id", "table_id", "chunk_id"):
        op.create_index(f"ix_pgconvoy_undo_{name}", "undo", [name], schema="pgconvoy")


def _reference(name: str, to: str) -> sa.Column[int]:
    key = sa.ForeignKey(f"pgconvoy.{to}.id", ondelete="CASCADE")
    return sa.Column(name, sa.BigInteger(), key, nullable=False)
