"""What a job will do: each table in PostgreSQL's terms, how it is read, loaded and compared."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import Final

from shared.records.rules import Rule, Treatment
from shared.records.source import ChunkKey, ObjectKind, StorageClass

_CITEXT: Final = re.compile(r'(?:^|[."])citext"?$', re.IGNORECASE)


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

    @property
    def is_citext(self) -> bool:
        """Whether it is the extension's text that compares without case: ``citext``, ``"public"."citext"``."""
        return _CITEXT.search(self.sql) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedPlan:
    """How the target computes a column; its values are compared, never copied."""

    sql: str
    """The expression in PostgreSQL's terms, without parentheses around it."""
    stored: bool = True
    """False: VIRTUAL, which PostgreSQL has from version 18 on."""


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
    longest: int | None = None
    """Bytes of the longest text or blob that the profile found; None: it does not say."""
    expected_rejects: int = 0
    """How many values the profile says this type cannot hold."""
    possible_rejects: int = 0
    """How many more it may be unable to hold: the profile cannot tell."""
    treatment: Treatment = field(default_factory=Treatment)
    """What a rule does to values first; copier and verification each read it for themselves."""
    generated: GeneratedPlan | None = None
    """None: an ordinary column, whose values are copied."""
    collation: str | None = None
    """A collation as SQL names it (``"public"."nocase"``), or None for the database's own."""
    sequence: str | None = None
    """The sequence, as SQL names it, that the default of a column that was there before takes its values from, where
    the column does not own it; None: its own, or none."""

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
    """An index of the target that is no constraint."""

    name: str
    columns: tuple[str, ...] = ()
    """Plain columns; empty where `terms` are given."""
    descending: tuple[bool, ...] = ()
    """One for each of the columns."""
    terms: tuple[str, ...] = ()
    """Each key as SQL (``lower("name" COLLATE "C") DESC``), where one is more than a column with a direction."""
    unique: bool = False
    where: str | None = None
    """The predicate of a partial index in PostgreSQL's terms."""
    method: str = "btree"
    """PostgreSQL's access method: btree, hash, gin, gist."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAsideKey:
    """A foreign key that a table had before, and goes without while it is loaded."""

    name: str
    definition: str
    """As pg_get_constraintdef writes it, names with their schemas, without NOT VALID."""
    columns: tuple[str, ...]
    parent: str
    """A table of the same schema."""
    parent_columns: tuple[str, ...]
    validated: bool = True
    """False: it was NOT VALID before, and is so again."""
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAsideTrigger:
    """A trigger that a table had before, and that does not fire while it is loaded."""

    name: str
    always: bool = False
    """ENABLE ALWAYS: it fires on replicas too, and does so again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """What an empty table that was there before goes without while it is loaded."""

    foreign_keys: tuple[SetAsideKey, ...] = ()
    triggers: tuple[SetAsideTrigger, ...] = ()
    away: bool = False
    """Whether the table goes without them now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoLog:
    """That a trigger keeps what a job does to the rows of a table that was there before it."""

    job: int
    table: int
    """Both by their ids in the ledger."""
    columns: tuple[str, ...]
    """The columns that the table had then, in their order: a kept row has one value for each."""
    armed: bool = True
    """Whether the trigger is there now: from the job's beginning, or its being taken up again, until its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """A CHECK constraint of the target; added NOT VALID after the rows and validated then."""

    name: str
    sql: str
    """The condition in PostgreSQL's terms, without parentheses around it."""
    graded_as: GradedAs | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """Full-text search: a generated tsvector column, added to a loaded table, with a GIN index on it."""

    column: str
    expression: str
    """What the column is generated from: ``to_tsvector('english', coalesce("body", ''))``."""
    index: str
    graded_as: GradedAs | None = field(default=None, compare=False)


class BuildPhase(enum.StrEnum):
    """When an object that belongs to no single table is made."""

    BEFORE = "before"
    """Before the tables: collations, extensions, functions that defaults and checks call."""
    AFTER = "after"
    """After all rows, keys and foreign keys: views, triggers and their functions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPlan:
    """An object of the target that belongs to no single table. Its statements may run twice (CREATE OR REPLACE)."""

    name: str
    phase: BuildPhase
    statements: tuple[str, ...]
    """Run in order in one savepoint; where one is refused, none holds."""
    needs: tuple[str, ...] = ()
    """Target names of the job's tables that must be complete first."""
    table: str | None = None
    """The source table that its grade belongs to, or None."""
    graded_as: GradedAs | None = field(default=None, compare=False)
    """None: a means to an end, with no grade of its own."""


class LoadPath(enum.StrEnum):
    """How rows get into a table."""

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
    """How verification pairs the rows of both sides."""

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
    checks: tuple[CheckPlan, ...] = ()
    search: tuple[SearchPlan, ...] = ()
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
    sampled: bool = False
    """Whether the profile saw a part of the rows alone: any column may then hold any storage class."""
    swap_into: str | None = None
    """With --recreate the schema that the table moves into once the job's tables are complete; until then it
    stands in `schema`, a staging schema of the job's own. None: it is where it belongs."""
    set_aside: SetAside | None = None
    """What a table that was there before goes without while it is loaded. None: nothing."""
    undo: UndoLog | None = None
    """Where what the job does to a table that was there before is kept (--undo-log); None: it is not."""
    replaces: bool = False
    """With --recreate, whether another table stands where this one goes, which is dropped then."""


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
    objects: tuple[ObjectPlan, ...] = ()
    """In the order in which they are made."""


class TypesPolicy(enum.StrEnum):
    """What decides where values and declared type of a column disagree."""

    LOSSLESS = "lossless"
    """The values: the type holds every one of them."""
    DECLARED = "declared"
    """The declared type: what it cannot hold becomes a reject."""


class ProfileMode(enum.StrEnum):
    """How much of a table is looked at before types are chosen."""

    FULL = "full"
    """Every value."""
    SAMPLE = "sample"
    """A bounded number of rows, spread over the table; the copy catches what they did not show."""


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
    types: TypesPolicy = TypesPolicy.LOSSLESS
    profile: ProfileMode = ProfileMode.FULL
    salvage: bool = False
    """Whether a damaged source is copied as far as it can be read."""
    rules: tuple[Rule, ...] = ()
    """From pgconvoy.toml."""
    undo_log: bool = False
    """Whether what the job does to rows of tables that were there before is kept, so that it can be rolled back."""
    small_tail: bool = False
    """Whether each table's last chunks are smaller, so that all workers end at about the same time. False for jobs of
    older versions: planning that broke off has to come to the same chunks."""
