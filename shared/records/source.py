"""What a source holds, as its reader found it: tables, keys, other objects, and a profile of the values."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class StorageClass(enum.StrEnum):
    """What SQLite says of a single value (https://sqlite.org/datatype3.html, section 2), NULL aside."""

    INTEGER = "integer"
    REAL = "real"
    TEXT = "text"
    BLOB = "blob"


class ChunkKeyKind(enum.StrEnum):
    """How a table can be cut into chunks."""

    ROWID = "rowid"
    """By SQLite's rowid, whatever the primary key: one integer, never NULL, the order of the file."""
    COLUMNS = "columns"
    """By columns of the table: the primary key of a WITHOUT ROWID table, or a unique key that must
    serve because every name of the rowid is taken by a column."""
    NONE = "none"
    """Not at all: no rowid can be named and there is no unique key. The table is one chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkKey:
    """The column or columns that a table is cut on."""

    kind: ChunkKeyKind
    columns: tuple[str, ...] = ()
    """For ROWID the one name that the source knows it by here (``rowid``, ``_rowid_``, ``oid`` or the
    INTEGER PRIMARY KEY column), unquoted; for COLUMNS the columns in key order; for NONE empty."""
    nullable: bool = False
    """Whether rows with a NULL key may exist (COLUMNS of one column only)."""


class Generated(enum.StrEnum):
    """Whether and how a source column is computed from others."""

    NO = "no"
    STORED = "stored"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumn:
    """One column of a source table."""

    name: str
    declared_type: str
    """As written in CREATE TABLE; empty where there is none."""
    not_null: bool = False
    default_sql: str | None = None
    """The default's SQL text in the source's dialect, or None."""
    primary_key_position: int | None = None
    """1-based place in the primary key, or None."""
    generated: Generated = Generated.NO
    generated_sql: str | None = None
    """What a generated column is computed from, in the source's dialect, without parentheses around it."""
    collation: str = "BINARY"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexColumn:
    """One column or expression of an index."""

    name: str | None
    """The column's name; None for an expression."""
    descending: bool = False
    collation: str = "BINARY"


class IndexOrigin(enum.StrEnum):
    """What made an index: CREATE INDEX, a UNIQUE constraint, or the primary key."""

    CREATED = "created"
    UNIQUE = "unique"
    PRIMARY_KEY = "primary_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIndex:
    """One index of a source table."""

    name: str
    unique: bool
    origin: IndexOrigin
    columns: tuple[IndexColumn, ...]
    partial: bool = False
    sql: str | None = None
    """The CREATE INDEX statement; None for an index that a constraint made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceForeignKey:
    """One foreign key of a source table."""

    columns: tuple[str, ...]
    parent_table: str
    parent_columns: tuple[str, ...]
    """Empty where the source names none and so means the parent's primary key."""
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    deferrable: bool = False
    initially_deferred: bool = False


class VirtualModule(enum.StrEnum):
    """Modules of SQLite whose virtual tables are translated."""

    FTS3 = "fts3"
    FTS4 = "fts4"
    FTS5 = "fts5"
    RTREE = "rtree"
    RTREE_I32 = "rtree_i32"
    GEOPOLY = "geopoly"

    @property
    def is_search(self) -> bool:
        """Whether it is full-text search."""
        return self in {VirtualModule.FTS3, VirtualModule.FTS4, VirtualModule.FTS5}


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualTable:
    """What a full-text search table, an R-tree or a table of polygons was made with."""

    name: str
    module: VirtualModule
    columns: tuple[str, ...]
    """FTS: the searched columns. R-tree: the bounds of each dimension, least and most in turn. Geopoly: the shape."""
    unindexed: tuple[str, ...] = ()
    """Columns that are kept and not searched: FTS's UNINDEXED and notindexed=, auxiliary ones of the others."""
    content_table: str | None = None
    """FTS: the table of the source whose rows are searched (``content=``); None: it keeps its texts itself."""
    content_rowid: str | None = None
    contentless: bool = False
    """FTS with ``content=''``: the texts are nowhere, only their index is."""
    tokenizer: str = ""
    """As declared: ``porter unicode61 remove_diacritics 2``."""
    compressed: bool = False
    """FTS4 with ``compress=``: its texts are stored as a function of the application's own made them."""
    unreadable: str = ""
    """Why its own rows cannot be read, in a clause; empty where they can, or where it has none."""
    sql: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """One table of the source that is copied: ordinary, or what a virtual table keeps (`virtual`)."""

    name: str
    columns: tuple[SourceColumn, ...]
    chunk_key: ChunkKey
    rowid_column: str | None = None
    """The INTEGER PRIMARY KEY column, which is the rowid by another name; None where there is none."""
    primary_key: tuple[str, ...] = ()
    without_rowid: bool = False
    strict: bool = False
    autoincrement_floor: int | None = None
    """The highest id that AUTOINCREMENT ever gave out (sqlite_sequence), or None."""
    indexes: tuple[SourceIndex, ...] = ()
    foreign_keys: tuple[SourceForeignKey, ...] = ()
    has_checks: bool = False
    sql: str = ""
    """The CREATE TABLE statement."""
    virtual: VirtualTable | None = None
    """What the table is the content of, under that virtual table's name; None for ordinary tables."""


class ObjectKind(enum.StrEnum):
    """Kinds of schema objects, in the words that people meet in plan and report."""

    TABLE = "table"
    COLUMN = "column"
    DEFAULT = "default"
    PRIMARY_KEY = "primary key"
    UNIQUE_KEY = "unique key"
    INDEX = "index"
    FOREIGN_KEY = "foreign key"
    CHECK = "check"
    GENERATED_COLUMN = "generated column"
    COLLATION = "collation"
    VIEW = "view"
    TRIGGER = "trigger"
    VIRTUAL_TABLE = "virtual table"
    SHADOW_TABLE = "shadow table"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceObject:
    """An object of the source that is not an ordinary table and not part of one."""

    kind: ObjectKind
    name: str
    table: str | None = None
    """The table that a trigger or shadow table belongs to; of a virtual table the one that its rows are copied from
    (its own, or the one that ``content=`` names); None where there is none."""
    sql: str = ""
    virtual: VirtualTable | None = None
    """For a virtual table of a known module, what it was made with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceVersion:
    """What the source says of its schema's version."""

    name: str
    """``user_version``, ``application_id``, ``alembic``, ``django auth`` (an app of Django's)."""
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCatalog:
    """Everything that the source's schema holds."""

    tables: tuple[SourceTable, ...]
    objects: tuple[SourceObject, ...] = ()
    versions: tuple[SourceVersion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A part of a damaged source that could not be read."""

    table: str
    key_range: str
    """For people: ``rowid 1001 to 1050``."""
    reason: str
    """What the source said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """What the values of one column really are. Counts are of rows; a question that was not asked,
    because the declared type does not raise it, is answered None.
    """

    nulls: int = 0
    integers: int = 0
    reals: int = 0
    texts: int = 0
    blobs: int = 0
    integer_min: int | None = None
    integer_max: int | None = None
    integral_reals: int | None = None
    """Reals without a fraction, of a magnitude below 2**63."""
    infinities: int | None = None
    empty_texts: int | None = None
    """Texts of no character."""
    longest_text: int | None = None
    """Bytes of the longest text as it is stored."""
    longest_blob: int | None = None
    """Bytes of the longest blob."""
    invalid_texts: int | None = None
    """Texts that are not valid in the source's encoding."""
    epoch_s: int | None = None
    """Integers and reals that are plausible as seconds since 1970: from 1980 to 2100. Asked of columns whose name or
    declared type speaks of time, like the next three."""
    epoch_ms: int | None = None
    epoch_us: int | None = None
    julian_days: int | None = None
    """Reals that are plausible as Julian days of the same years."""
    nul_texts: int | None = None
    """Texts with a U+0000 in them, which PostgreSQL's text cannot hold."""
    decimal_integer_digits: int | None = None
    """Numeric columns: the most digits before the point, by the shortest text of each value."""
    decimal_fraction_digits: int | None = None
    """Numeric columns: the most digits after the point, by the shortest text of each value."""
    boolean_texts: int | None = None
    """Texts that spell a truth value as PostgreSQL's boolean reads it (true, false, t, f, yes, no, y, n, on, off)."""
    date_texts: int | None = None
    """``YYYY-MM-DD``, a real day of the years 0001 to 9999, nothing else."""
    timestamp_texts: int | None = None
    """``YYYY-MM-DD[ T]HH:MM[:SS[.ffffff]]`` without offset, or a plain date; real moments, at most 6 decimals."""
    timestamptz_texts: int | None = None
    """As timestamp_texts (time of day required), followed by ``Z``, ``+HH:MM`` or ``-HH:MM``."""
    time_texts: int | None = None
    """``HH:MM[:SS[.ffffff]]``, a real time of day."""
    uuid_texts: int | None = None
    """Text of 32 hexadecimal digits, or of 36 characters with hyphens at the usual places."""
    uuid_blobs: int | None = None
    """Blobs of 16 bytes."""
    json_texts: int | None = None
    """Texts that are valid JSON (RFC 8259), so that PostgreSQL's json holds them unchanged."""
    jsonb_texts: int | None = None
    """Of those, texts that jsonb holds without loss: no duplicate names in an object, no ``\\u0000``, and
    numbers within numeric's range."""

    @property
    def classes(self) -> tuple[StorageClass, ...]:
        """The storage classes that occur, NULL aside."""
        counts = zip(StorageClass, (self.integers, self.reals, self.texts, self.blobs), strict=True)
        return tuple(storage_class for storage_class, count in counts if count)

    @property
    def values(self) -> int:
        """How many values are not NULL."""
        return self.integers + self.reals + self.texts + self.blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProfile:
    """What one table really holds."""

    rows: int
    source_bytes: int
    """An estimate of the bytes that the rows take, from sampled row widths."""
    columns: dict[str, ColumnProfile]
    """By column name, in the table's order."""
    sampled_rows: int | None = None
    """How many rows were looked at; None: all of them. The counts are of those rows."""

    @property
    def row_bytes(self) -> float:
        """The mean bytes a row; 1 for an empty table."""
        return max(1.0, self.source_bytes / self.rows) if self.rows else 1.0
