"""Builds of large tables: each key and index is a task of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "builds",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("table_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, comment="in the table's plan"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="of the index in the target"),
        sa.Column("bytes_expected", sa.BigInteger(), nullable=False, comment="estimated: the largest is built first"),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False, comment="also the fencing number"),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column(
            "enqueued_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a message for it was last sent; NULL: none is under way",
        ),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True, comment="when its next attempt may begin"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("grade", sa.Text(), nullable=True, comment="what the object is less than planned"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is less"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("(state IN ('built', 'failed', 'left_out')) = (ended_at IS NOT NULL)", name="builds_ended"),
        sa.CheckConstraint("(grade IS NULL) = (reason IS NULL)", name="builds_graded"),
        sa.CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="builds_failed"),
        sa.CheckConstraint("state <> 'left_out' OR grade IS NOT NULL", name="builds_left_out"),
        sa.CheckConstraint(
            "state <> 'building' OR (attempt > 0 AND worker IS NOT NULL AND started_at IS NOT NULL)",
            name="builds_building",
        ),
        sa.CheckConstraint("state IN ('building', 'built', 'failed', 'left_out', 'pending')", name="builds_state"),
        sa.ForeignKeyConstraint(["job_id"], ["pgconvoy.jobs.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["table_id"], ["pgconvoy.tables.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("table_id", "name"),
        schema="pgconvoy",
    )
    op.create_index(op.f("ix_pgconvoy_builds_job_id"), "builds", ["job_id"], unique=False, schema="pgconvoy")
    op.create_index(op.f("ix_pgconvoy_builds_table_id"), "builds", ["table_id"], unique=False, schema="pgconvoy")
