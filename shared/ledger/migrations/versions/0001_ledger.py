"""The ledger: jobs, tables, chunks, rejects, mismatches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("source_url", sa.Text(), nullable=False, comment="redacted"),
        sa.Column("snapshot_url", sa.Text(), nullable=False, comment="what the workers read"),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="of the source as it was planned"),
        sa.Column("target_schema", sa.Text(), nullable=False),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "grades",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what became of each object of the source's schema",
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "finish_sent_at", sa.DateTime(timezone=True), nullable=True, comment="when finish_job was last asked for"
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('cancelled', 'completed', 'completed_with_rejects', 'failed')) = (ended_at IS NOT NULL)",
            name="jobs_ended",
        ),
        sa.CheckConstraint(
            "state IN ('cancelled', 'completed', 'completed_with_rejects', 'copying', 'failed', 'planned', 'verifying')",
            name="jobs_state",
        ),
        sa.PrimaryKeyConstraint("id"),
        schema="pgconvoy",
    )
    op.create_table(
        "tables",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, comment="order of enqueueing: parents first"),
        sa.Column("source_name", sa.Text(), nullable=False),
        sa.Column("target_schema", sa.Text(), nullable=False),
        sa.Column("target_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column(
            "planned",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="all its chunks are recorded",
        ),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rows_expected", sa.BigInteger(), nullable=False),
        sa.Column("bytes_expected", sa.BigInteger(), nullable=False),
        sa.Column(
            "mismatches", sa.BigInteger(), server_default="0", nullable=False, comment="seen on the table as a whole"
        ),
        sa.Column(
            "finish_sent_at", sa.DateTime(timezone=True), nullable=True, comment="when finish_table was last asked for"
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('cancelled', 'completed', 'failed')) = (ended_at IS NOT NULL)", name="tables_ended"
        ),
        sa.CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="tables_failed"),
        sa.CheckConstraint(
            "state IN ('building', 'cancelled', 'completed', 'copying', 'failed', 'pending', 'verifying')",
            name="tables_state",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["pgconvoy.jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id", "source_name"),
        sa.UniqueConstraint("job_id", "target_schema", "target_name"),
        schema="pgconvoy",
    )
    op.create_index(op.f("ix_pgconvoy_tables_job_id"), "tables", ["job_id"], unique=False, schema="pgconvoy")
    op.create_table(
        "chunks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("table_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="1-based, in key order"),
        sa.Column("key_range", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rows_expected", sa.BigInteger(), nullable=False),
        sa.Column("source_bytes", sa.BigInteger(), nullable=False),
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
        sa.Column("copied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "compare_sent_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when verify_chunk was last asked for; NULL: none is under way",
        ),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("rejects", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("mismatches", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("compare_failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('copied', 'verified')) = (copied_at IS NOT NULL AND rows IS NOT NULL AND path IS NOT NULL AND fingerprint IS NOT NULL)",
            name="chunks_copied",
        ),
        sa.CheckConstraint(
            "path IS NULL OR path IN ('arrow_bare', 'arrow_upsert', 'careful_bare', 'careful_upsert')",
            name="chunks_path",
        ),
        sa.CheckConstraint(
            "state <> 'copying' OR (attempt > 0 AND worker IS NOT NULL AND started_at IS NOT NULL)",
            name="chunks_copying",
        ),
        sa.CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="chunks_failed"),
        sa.CheckConstraint(
            "state <> 'verified' OR (compared_at IS NOT NULL AND mismatches = 0)", name="chunks_verified"
        ),
        sa.CheckConstraint(
            "state IN ('cancelled', 'copied', 'copying', 'failed', 'pending', 'verified')", name="chunks_state"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["pgconvoy.jobs.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["table_id"], ["pgconvoy.tables.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("table_id", "number"),
        schema="pgconvoy",
    )
    op.create_index(
        "chunks_open",
        "chunks",
        ["job_id", "table_id"],
        unique=False,
        schema="pgconvoy",
        postgresql_where=sa.text("state IN ('pending', 'copying')"),
    )
    op.create_index(op.f("ix_pgconvoy_chunks_job_id"), "chunks", ["job_id"], unique=False, schema="pgconvoy")
    op.create_table(
        "mismatches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("table_id", sa.BigInteger(), nullable=False),
        sa.Column("chunk_id", sa.BigInteger(), nullable=True, comment="NULL: seen on the table as a whole"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key_columns", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("key", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=True),
        sa.Column("source_value", sa.Text(), nullable=True),
        sa.Column("target_value", sa.Text(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("kind IN ('different', 'extra', 'missing')", name="mismatches_kind"),
        sa.ForeignKeyConstraint(["chunk_id"], ["pgconvoy.chunks.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["job_id"], ["pgconvoy.jobs.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["table_id"], ["pgconvoy.tables.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        schema="pgconvoy",
    )
    op.create_index(op.f("ix_pgconvoy_mismatches_job_id"), "mismatches", ["job_id"], unique=False, schema="pgconvoy")
    op.create_index(
        op.f("ix_pgconvoy_mismatches_table_id"), "mismatches", ["table_id"], unique=False, schema="pgconvoy"
    )
    op.create_table(
        "rejects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("table_id", sa.BigInteger(), nullable=False),
        sa.Column("chunk_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "key",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the source key, each value with its storage class",
        ),
        sa.Column("column_name", sa.Text(), nullable=True, comment="the source column, or NULL for the row as a whole"),
        sa.Column("storage_class", sa.Text(), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=True, comment="the value's bytes as the source holds them"),
        sa.Column(
            "row",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the whole row, each value with its storage class",
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["chunk_id"], ["pgconvoy.chunks.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["job_id"], ["pgconvoy.jobs.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["table_id"], ["pgconvoy.tables.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        schema="pgconvoy",
    )
    op.create_index(op.f("ix_pgconvoy_rejects_chunk_id"), "rejects", ["chunk_id"], unique=False, schema="pgconvoy")
    op.create_index(op.f("ix_pgconvoy_rejects_job_id"), "rejects", ["job_id"], unique=False, schema="pgconvoy")
    op.create_index(op.f("ix_pgconvoy_rejects_table_id"), "rejects", ["table_id"], unique=False, schema="pgconvoy")


def downgrade() -> None:
    """Take back."""
    for table in ("mismatches", "rejects", "chunks", "tables", "jobs"):
        op.drop_table(table, schema="pgconvoy")
