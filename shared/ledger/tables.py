"""The ledger's tables, for SQLAlchemy and Alembic; an operator can read them with psql.

CHECK constraints tie each state to its columns, so that no statement, ours or a person's, can leave a
chunk that says `copied` without rows, path and fingerprint.
"""

from __future__ import annotations

import enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.ledger.states import BUILD_ENDS, JOB_ENDS, TABLE_ENDS, BuildState, ChunkState, JobState, TableState
from shared.records.work import CopyPath, MismatchKind

SCHEMA: Final = "pgconvoy"
metadata = sa.MetaData(schema=SCHEMA)


def _one_of(column: str, states: type[enum.StrEnum]) -> str:
    return f"{column} IN ({_listed(states)})"


def _listed(states: type[enum.StrEnum] | frozenset[Any]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


def _moment(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)


def _seconds(name: str, comment: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Double, comment=comment)


def _identity() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True)


def _reference(name: str, target: str) -> sa.Column[int]:
    return sa.Column(
        name, sa.BigInteger, sa.ForeignKey(f"{SCHEMA}.{target}.id", ondelete="CASCADE"), nullable=False, index=True
    )


jobs = sa.Table(
    "jobs",
    metadata,
    _identity(),
    sa.Column("state", sa.Text, nullable=False, server_default=JobState.PLANNED.value),
    sa.Column("source_url", sa.Text, nullable=False, comment="redacted"),
    sa.Column("snapshot_url", sa.Text, nullable=False, comment="what the workers read"),
    sa.Column("fingerprint", sa.Text, nullable=False, comment="of the source as it was planned"),
    sa.Column("target_schema", sa.Text, nullable=False),
    sa.Column("options", JSONB, nullable=False),
    sa.Column("grades", JSONB, nullable=False, comment="what became of each object of the source's schema"),
    sa.Column("objects", JSONB, nullable=False, server_default="[]", comment="what belongs to no single table"),
    sa.Column("versions", JSONB, nullable=False, server_default="[]", comment="of the source's schema"),
    sa.Column("unreadable", JSONB, nullable=False, server_default="[]", comment="what a damaged source did not give"),
    _moment("created_at", nullable=False, server_default=sa.func.clock_timestamp()),
    _moment("ended_at"),
    _moment("finish_sent_at", comment="when finish_job was last asked for"),
    sa.Column("error", sa.Text),
    sa.Column("max_load", JSONB(none_as_null=True), comment="the load that the operator allows; NULL: any"),
    sa.Column("in_flight", sa.Integer, comment="how many chunks may be copied at once now; NULL: any number"),
    sa.Column("load", JSONB(none_as_null=True), comment="the load as it was last measured"),
    _moment("paced_until", comment="under a limit of bytes a second: when the next chunk may begin"),
    _moment("paused_at", comment="since when nothing is begun; NULL: it is not paused"),
    sa.Column("undone", JSONB(none_as_null=True), comment="what was removed when it was rolled back"),
    sa.CheckConstraint(_one_of("state", JobState), name="jobs_state"),
    sa.CheckConstraint(f"(state IN ({_listed(JOB_ENDS)})) = (ended_at IS NOT NULL)", name="jobs_ended"),
)

tables = sa.Table(
    "tables",
    metadata,
    _identity(),
    _reference("job_id", "jobs"),
    sa.Column("position", sa.Integer, nullable=False, comment="order of enqueueing: parents first"),
    sa.Column("source_name", sa.Text, nullable=False),
    sa.Column("target_schema", sa.Text, nullable=False),
    sa.Column("target_name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default=TableState.PENDING.value),
    sa.Column("planned", sa.Boolean, nullable=False, server_default=sa.false(), comment="all its chunks are recorded"),
    sa.Column("plan", JSONB, nullable=False),
    sa.Column("rows_expected", sa.BigInteger, nullable=False),
    sa.Column("bytes_expected", sa.BigInteger, nullable=False),
    sa.Column("mismatches", sa.BigInteger, nullable=False, server_default="0", comment="seen on the table as a whole"),
    sa.Column(
        "step_begun",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="builds or comparisons of the whole, in a row, that did not end",
    ),
    _moment("finish_sent_at", comment="when finish_table was last asked for"),
    _moment("started_at"),
    _moment("ended_at"),
    sa.Column("error", sa.Text),
    sa.Column("oid", sa.BigInteger, comment="of the table in the target"),
    sa.Column("settled_xid", sa.BigInteger, comment="rows of younger transactions are not the job's"),
    sa.UniqueConstraint("job_id", "source_name"),
    sa.UniqueConstraint("job_id", "target_schema", "target_name"),
    sa.CheckConstraint(_one_of("state", TableState), name="tables_state"),
    sa.CheckConstraint(f"(state IN ({_listed(TABLE_ENDS)})) = (ended_at IS NOT NULL)", name="tables_ended"),
    sa.CheckConstraint(f"state <> '{TableState.FAILED}' OR error IS NOT NULL", name="tables_failed"),
)

chunks = sa.Table(
    "chunks",
    metadata,
    _identity(),
    _reference("job_id", "jobs"),
    sa.Column("table_id", sa.BigInteger, sa.ForeignKey(f"{SCHEMA}.tables.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False, comment="1-based, in key order; a split chunk's parts go last"),
    sa.Column("key_range", JSONB, nullable=False),
    sa.Column("rows_expected", sa.BigInteger, nullable=False),
    sa.Column("source_bytes", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default=ChunkState.PENDING.value),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0", comment="also the fencing number"),
    sa.Column("lost", sa.Integer, nullable=False, server_default="0", comment="how often its worker was lost"),
    sa.Column("worker", sa.Text),
    _moment("enqueued_at", comment="when a message for it was last sent; NULL: none is under way"),
    _moment("not_before", comment="when its next attempt may begin"),
    _moment("started_at"),
    _moment("copied_at"),
    _moment("compare_sent_at", comment="when verify_chunk was last asked for; NULL: none is under way"),
    _moment("compared_at"),
    sa.Column("rows", sa.BigInteger),
    sa.Column("rejects", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("path", sa.Text),
    sa.Column("fingerprint", sa.Text),
    sa.Column("mismatches", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("compare_failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column(
        "compare_begun", sa.Integer, nullable=False, server_default="0", comment="comparisons in a row that did not end"
    ),
    sa.Column("error", sa.Text),
    _seconds("wait_s", "from the message's sending to the claim"),
    _seconds("read_s", "reading the source"),
    _seconds("convert_s", "bringing values to the target's types"),
    _seconds("write_s", "PostgreSQL taking the rows"),
    _seconds("commit_s", "the commit; written after it, so NULL where the worker was lost in between"),
    _seconds("compare_s", "the whole comparison"),
    sa.UniqueConstraint("table_id", "number"),
    sa.CheckConstraint(_one_of("state", ChunkState), name="chunks_state"),
    sa.CheckConstraint(f"path IS NULL OR {_one_of('path', CopyPath)}", name="chunks_path"),
    sa.CheckConstraint(
        f"state <> '{ChunkState.COPYING}' OR (attempt > 0 AND worker IS NOT NULL AND started_at IS NOT NULL)",
        name="chunks_copying",
    ),
    sa.CheckConstraint(
        f"(state IN ('{ChunkState.COPIED}', '{ChunkState.VERIFIED}')) = (copied_at IS NOT NULL AND rows IS NOT NULL"
        " AND path IS NOT NULL AND fingerprint IS NOT NULL)",
        name="chunks_copied",
    ),
    sa.CheckConstraint(
        f"state <> '{ChunkState.VERIFIED}' OR (compared_at IS NOT NULL AND mismatches = 0)", name="chunks_verified"
    ),
    sa.CheckConstraint(f"state <> '{ChunkState.FAILED}' OR error IS NOT NULL", name="chunks_failed"),
    sa.Index("chunks_open", "job_id", "table_id", postgresql_where=sa.text("state IN ('pending', 'copying')")),
)

builds = sa.Table(
    "builds",
    metadata,
    _identity(),
    _reference("job_id", "jobs"),
    _reference("table_id", "tables"),
    sa.Column("position", sa.Integer, nullable=False, comment="in the table's plan"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False, comment="of the index in the target"),
    sa.Column("bytes_expected", sa.BigInteger, nullable=False, comment="estimated: the largest is built first"),
    sa.Column("state", sa.Text, nullable=False, server_default=BuildState.PENDING.value),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0", comment="also the fencing number"),
    sa.Column("worker", sa.Text),
    _moment("enqueued_at", comment="when a message for it was last sent; NULL: none is under way"),
    _moment("not_before", comment="when its next attempt may begin"),
    _moment("started_at"),
    _moment("ended_at"),
    sa.Column("grade", sa.Text, comment="what the object is less than planned"),
    sa.Column("reason", sa.Text, comment="why it is less"),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("table_id", "name"),
    sa.CheckConstraint(_one_of("state", BuildState), name="builds_state"),
    sa.CheckConstraint(f"(state IN ({_listed(BUILD_ENDS)})) = (ended_at IS NOT NULL)", name="builds_ended"),
    sa.CheckConstraint("(grade IS NULL) = (reason IS NULL)", name="builds_graded"),
    sa.CheckConstraint(f"state <> '{BuildState.FAILED}' OR error IS NOT NULL", name="builds_failed"),
    sa.CheckConstraint(f"state <> '{BuildState.LEFT_OUT}' OR grade IS NOT NULL", name="builds_left_out"),
    sa.CheckConstraint(
        f"state <> '{BuildState.BUILDING}' OR (attempt > 0 AND worker IS NOT NULL AND started_at IS NOT NULL)",
        name="builds_building",
    ),
)

rejects = sa.Table(
    "rejects",
    metadata,
    _identity(),
    _reference("job_id", "jobs"),
    _reference("table_id", "tables"),
    _reference("chunk_id", "chunks"),
    sa.Column("key", JSONB, nullable=False, comment="the source key, each value with its storage class"),
    sa.Column("column_name", sa.Text, comment="the source column, or NULL for the row as a whole"),
    sa.Column("storage_class", sa.Text),
    sa.Column("raw", sa.LargeBinary, comment="the value's bytes as the source holds them"),
    sa.Column("row", JSONB, nullable=False, comment="the whole row, each value with its storage class"),
    sa.Column("reason", sa.Text, nullable=False),
    _moment("found_at", nullable=False, server_default=sa.func.clock_timestamp()),
)

undo = sa.Table(
    "undo",
    metadata,
    _identity(),
    _reference("job_id", "jobs"),
    # Without a key of its own, which would be looked up for every row; the job's suffices.
    sa.Column("table_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("before", sa.Text, comment="the target's row before it was changed, as text; NULL: it was inserted"),
    sa.Column("after", sa.Text, comment="the row as the job left it, as text; NULL: a trigger deleted it"),
    comment="what a job did to rows of tables that were there before it, where it was asked to remember",
)

made = sa.Table(
    "made",
    metadata,
    _identity(),
    _reference("job_id", "jobs"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("oid", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False, comment="as SQL names it"),
    sa.Column("definition", sa.Text, nullable=False, comment="a digest of it; empty where it cannot change"),
    comment="what a job made besides its tables, where nothing of the name was there before",
)

mismatches = sa.Table(
    "mismatches",
    metadata,
    _identity(),
    _reference("job_id", "jobs"),
    _reference("table_id", "tables"),
    sa.Column(
        "chunk_id",
        sa.BigInteger,
        sa.ForeignKey(f"{SCHEMA}.chunks.id", ondelete="CASCADE"),
        comment="NULL: seen on the table as a whole",
    ),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key_columns", ARRAY(sa.Text), nullable=False),
    sa.Column("key", JSONB, nullable=False),
    sa.Column("column_name", sa.Text),
    sa.Column("source_value", sa.Text),
    sa.Column("target_value", sa.Text),
    _moment("found_at", nullable=False, server_default=sa.func.clock_timestamp()),
    sa.CheckConstraint(_one_of("kind", MismatchKind), name="mismatches_kind"),
)
