"""Of jobs: whether they are paused, and that they were rolled back. What they did to rows that were there before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

_STATES = "cancelled, completed, completed_with_rejects, copying, failed, planned, rolled_back, verifying"
_ENDS = "cancelled, completed, completed_with_rejects, failed, rolled_back"


def upgrade() -> None:
    """Apply."""
    _pausing()
    _rolling_back()
    _undo()
    _made()
    _begun()


def _begun() -> None:
    for table, name, comment in (
        ("chunks", "compare_begun", "comparisons in a row that did not end"),
        ("tables", "step_begun", "builds or comparisons of the whole, in a row, that did not end"),
    ):
        column = sa.Column(name, sa.Integer(), nullable=False, server_default="0", comment=comment)
        op.add_column(table, column, schema="pgconvoy")


def _pausing() -> None:
    comment = "since when nothing is begun; NULL: it is not paused"
    op.add_column("jobs", sa.Column("paused_at", sa.DateTime(timezone=True), comment=comment), schema="pgconvoy")


def _rolling_back() -> None:
    for name in ("jobs_state", "jobs_ended"):
        op.drop_constraint(name, "jobs", schema="pgconvoy")
    op.create_check_constraint("jobs_state", "jobs", f"state IN ({_listed(_STATES)})", schema="pgconvoy")
    ended = f"(state IN ({_listed(_ENDS)})) = (ended_at IS NOT NULL)"
    op.create_check_constraint("jobs_ended", "jobs", ended, schema="pgconvoy")
    undone = sa.Column(
        "undone", postgresql.JSONB(none_as_null=True), comment="what was removed when it was rolled back"
    )
    op.add_column("jobs", undone, schema="pgconvoy")
    for name, comment in (
        ("oid", "of the table in the target"),
        ("settled_xid", "rows of younger transactions are not the job's"),
    ):
        op.add_column("tables", sa.Column(name, sa.BigInteger(), comment=comment), schema="pgconvoy")


def _listed(states: str) -> str:
    return ", ".join(f"'{state}'" for state in states.split(", "))


def _undo() -> None:
    op.create_table(
        "undo",
        _id(),
        _job(),
        sa.Column("table_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "before", sa.Text(), comment="the target's row before it was changed, as text; NULL: it was inserted"
        ),
        sa.Column("after", sa.Text(), comment="the row as the job left it, as text; NULL: a trigger deleted it"),
        schema="pgconvoy",
        comment="what a job did to rows of tables that were there before it, where it was asked to remember",
    )
    for name in ("job_id", "table_id"):
        op.create_index(f"ix_pgconvoy_undo_{name}", "undo", [name], schema="pgconvoy")


def _made() -> None:
    op.create_table(
        "made",
        _id(),
        _job(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("oid", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="as SQL names it"),
        sa.Column("definition", sa.Text(), nullable=False, comment="a digest of it; empty where it cannot change"),
        schema="pgconvoy",
        comment="what a job made besides its tables, where nothing of the name was there before",
    )
    op.create_index("ix_pgconvoy_made_job_id", "made", ["job_id"], schema="pgconvoy")


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True)


def _job() -> sa.Column[int]:
    return sa.Column("job_id", sa.BigInteger(), sa.ForeignKey("pgconvoy.jobs.id", ondelete="CASCADE"), nullable=False)
