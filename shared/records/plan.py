"""What a job will do: each table in PostgreSQL's terms, how it is read, loaded and compared."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from shared.records.source import ChunkKey, ObjectKind, StorageClass


class TypeKind(enum.StrEnum):
    """A family of PostgreSQL types that are converted and compared alike."""

    SMALLINT = "smallint"
    INTEGER = "integer"
    BIGINT = "bigint"
    REAL = "real"
    DOUBLE = "double precision"
    NUMERIC = "numeric"
    TEXT = "text"
    """text, character varying, character, citext."""
    BYTEA = "bytea"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp without time zone"
    TIMESTAMPTZ = "timestamp with time zone"
    DATE = "date"
    TIME = "time without time zone"
    UUID = "uuid"
    JSON = "json"
    JSONB = "jsonb"
    OTHER = "other"
    """Any type of a table that was there before and that is none of the above (inet, ranges, arrays, enums).
    Its values travel as text, by the careful path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetType:
    """A column's type in the target."""

    kind: TypeKind
    sql: str
    """As PostgreSQL spells it, with its modifiers: ``numeric(10,2)``, ``character varying(20)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetColumn:
    """One column of a target table and where its values come from."""

    source: str
    """The source column's name."""
    name: str
    type: TargetType
    not_null: bool = False
    default: str | None = None
    """The default as a PostgreSQL expression, or None."""
    identity: bool = False
    """Whether the column continues as an identity after the copy."""
    insert_only: bool = False
    """GENERATED ALWAYS AS IDENTITY in a table that was there before: a new row brings its value, PostgreSQL lets nobody
    change it afterwards."""
    reason: str = ""
    """Why this type: the declared type and what the profile found, in a few words."""
    classes: tuple[StorageClass, ...] = ()
    """The storage classes that the profile found, NULL aside."""
    expected_rejects: int = 0
    """How many values the profile says this type cannot hold."""

    @property
    def mixed(self) -> bool:
        """Whether values of several storage classes occur, which Arrow would widen silently."""
        return len(self.classes) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedAs:
    """The object of the source's schema that a key or index of the target stands for, as its grade names it."""

    kind: ObjectKind
    name: str
    doubt: str = ""
    """Why it is approximated even where it is built as planned; empty: it is exact then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlan:
    """A unique key of the target."""

    name: str
    columns: tuple[str, ...]
    graded_as: GradedAs | None = field(default=None, compare=False)
    """None: a key that is no object of the source (one that was there before, or planned by an older version)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPlan:
    """A plain index of the target: column names with their direction."""

    name: str
    columns: tuple[str, ...]
    descending: tuple[bool, ...]
    graded_as: GradedAs | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKeyPlan:
    """A foreign key of the target."""

    name: str
    columns: tuple[str, ...]
    parent: str
    """The parent table's name in the target schema."""
    parent_columns: tuple[str, ...]
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    deferrable: bool = False
    initially_deferred: bool = False
    graded_as: GradedAs | None = field(default=None, compare=False)


class LoadPath(enum.StrEnum):
    """How rows get into a table (decision 6 of the design)."""

    BARE = "bare"
    """COPY into a table that this job made, without keys while it loads."""
    UPSERT = "upsert"
    """COPY into a temporary table, then INSERT … ON CONFLICT, into a table that was there before."""


class OnConflict(enum.StrEnum):
    """What becomes of a row whose key the target already holds."""

    UPDATE = "update"
    SKIP = "skip"
    FAIL = "fail"


class CompareBy(enum.StrEnum):
    """How verification pairs the rows of both sides (decision 8 of the design)."""

    RANGE = "range"
    """The chunk key is a bigint key of the target too: both sides are read by the range, extra rows show at once."""
    KEYS = "keys"
    """By the list of the chunk's keys, joined on the target."""
    MULTISET = "multiset"
    """The table has no key: an order-free fingerprint of each side, then a search for what differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRead:
    """All that is needed to read a table's chunks from the source."""

    table: str
    chunk_key: ChunkKey
    columns: tuple[str, ...]
    """Source columns, in the order of the plan's target columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """One table of a job: what it is in the source, what it becomes in the target, and how it gets there."""

    read: TableRead
    schema: str
    name: str
    columns: tuple[TargetColumn, ...]
    creates: bool = True
    """Whether the job makes the table (False: it was there before)."""
    load: LoadPath = LoadPath.BARE
    on_conflict: OnConflict = OnConflict.UPDATE
    primary_key: KeyPlan | None = None
    unique_keys: tuple[KeyPlan, ...] = ()
    indexes: tuple[IndexPlan, ...] = ()
    foreign_keys: tuple[ForeignKeyPlan, ...] = ()
    match_key: tuple[str, ...] = ()
    """Target columns that identify a row: for ON CONFLICT and for verification. Empty: none."""
    compare_by: CompareBy = CompareBy.MULTISET
    identity_floor: int | None = None
    """The highest id that the source ever gave out, or None; the identity continues after it and after max(id)."""
    rows: int = 0
    """Rows in the source, by the profile (after --limit)."""
    row_bytes: float = 1.0
    row_limit: int | None = None
    """--limit: at most this many rows, the first ones by chunk key; None: all."""


class Grade(enum.StrEnum):
    """How faithfully an object is translated."""

    EXACT = "exact"
    APPROXIMATED = "approximated"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectGrade:
    """What became of one object of the source's schema. Every object has one: nothing is dropped silently."""

    kind: ObjectKind
    name: str
    table: str | None
    grade: Grade
    reason: str = ""
    """For anything but exact: what differs or why not, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaPlan:
    """The whole source schema in PostgreSQL's terms."""

    tables: tuple[TablePlan, ...]
    grades: tuple[ObjectGrade, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What the operator asked for; stored with the job."""

    tables: tuple[str, ...] = ()
    """Source tables by name; empty: all."""
    exclude: tuple[str, ...] = ()
    limit: int | None = None
    schema_only: bool = False
    data_only: bool = False
    recreate: bool = False
    on_conflict: OnConflict = OnConflict.UPDATE
    chunk_bytes: int = 32 * 1024 * 1024
    snapshot: bool = True
    verify: bool = True
    preserve_identifiers: bool = False
    """True: names stay as they are (--identifiers preserve); False: folded to lower case."""
