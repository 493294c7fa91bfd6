"""Catalogs and profiles made by hand, short enough to read inside a test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.records.existing import TargetAbilities
from shared.records.plan import JobOptions, ObjectGrade, SchemaPlan, TablePlan
from shared.records.source import (
    ChunkKey,
    ChunkKeyKind,
    ColumnProfile,
    IndexColumn,
    IndexOrigin,
    ObjectKind,
    SourceCatalog,
    SourceColumn,
    SourceForeignKey,
    SourceIndex,
    SourceObject,
    SourceTable,
    TableProfile,
)
from shared.schema.objects import translate

ROWID = ChunkKey(kind=ChunkKeyKind.ROWID, columns=("rowid",))


def integers(low: int = 1, high: int = 9, *, nulls: int = 0) -> ColumnProfile:
    """A profile of 9 integers."""
    return ColumnProfile(integers=9, integer_min=low, integer_max=high, nulls=nulls)


def reals(*, before: int = 1, after: int = 2, infinities: int = 0) -> ColumnProfile:
    """A profile of 9 reals."""
    return ColumnProfile(reals=9, infinities=infinities, decimal_integer_digits=before, decimal_fraction_digits=after)


def texts(*shapes: str, nulls: int = 0, **more: int) -> ColumnProfile:
    """A profile of 9 texts that all have the named shapes: ``texts("date", "timestamp")``."""
    return ColumnProfile(texts=9, nulls=nulls, **{f"{shape}_texts": 9 for shape in shapes}, **more)


def blobs(**more: int) -> ColumnProfile:
    """A profile of 9 blobs."""
    return ColumnProfile(blobs=9, **more)


NOTHING = ColumnProfile()
BARE = TargetAbilities(icu=False)
"""A server with neither ICU nor citext, as the suite's own."""
CITEXT = TargetAbilities(version=150000, citext=True)
ICU = TargetAbilities(version=180000, citext=True)


def column(name: str, declared_type: str = "INTEGER", **more: Any) -> SourceColumn:
    """A source column."""
    return SourceColumn(name=name, declared_type=declared_type, **more)


def index(name: str, *columns: str | IndexColumn | None, unique: bool = False, **more: Any) -> SourceIndex:
    """An index that CREATE INDEX made; None stands for an expression."""
    parts = tuple(each if isinstance(each, IndexColumn) else IndexColumn(name=each) for each in columns)
    more.setdefault("origin", IndexOrigin.CREATED)
    more.setdefault("sql", f"CREATE INDEX {name} …")
    return SourceIndex(name=name, unique=unique, columns=parts, **more)


def unique(*columns: str | IndexColumn) -> SourceIndex:
    """The index of a UNIQUE constraint."""
    return index("sqlite_autoindex", *columns, unique=True, origin=IndexOrigin.UNIQUE, sql=None)


def reference(columns: str, parent: str, parent_columns: str = "", **more: Any) -> SourceForeignKey:
    """A foreign key; column names are separated by spaces."""
    return SourceForeignKey(
        columns=tuple(columns.split()), parent_table=parent, parent_columns=tuple(parent_columns.split()), **more
    )


def table(name: str, *columns: SourceColumn, primary_key: str = "", **more: Any) -> SourceTable:
    """A source table; a primary key of one INTEGER column is the rowid, unless `rowid_column` says otherwise."""
    key = tuple(primary_key.split())
    declared = {each.name: each.declared_type for each in columns}
    without_rowid = more.get("without_rowid", False)
    if len(key) == 1 and declared[key[0]] == "INTEGER" and not without_rowid:
        more.setdefault("rowid_column", key[0])
    more.setdefault("chunk_key", ChunkKey(kind=ChunkKeyKind.COLUMNS, columns=key) if without_rowid else ROWID)
    return SourceTable(name=name, columns=columns, primary_key=key, **more)


def translated(
    *tables: SourceTable,
    profiles: dict[str, ColumnProfile] | None = None,
    rows: int = 9,
    objects: tuple[SourceObject, ...] = (),
    schema: str = "public",
    abilities: TargetAbilities = BARE,
    **options: Any,
) -> SchemaPlan:
    """Translate tables; `profiles` by ``table.column``, the others hold integers if declared INTEGER, else texts."""
    known = profiles or {}
    made = {
        each.name: TableProfile(
            rows=rows,
            source_bytes=100 * rows,
            columns={part.name: known.get(f"{each.name}.{part.name}", _usual(part)) for part in each.columns},
        )
        for each in tables
    }
    catalog = SourceCatalog(tables=tables, objects=objects)
    return translate(catalog, made, target_schema=schema, options=JobOptions(**options), abilities=abilities)


def _usual(part: SourceColumn) -> ColumnProfile:
    return integers() if part.declared_type == "INTEGER" else texts()


def only(plan: SchemaPlan) -> TablePlan:
    """The one table of a plan."""
    (single,) = plan.tables
    return single


def graded(plan: SchemaPlan, kind: ObjectKind, name: str | None = None) -> ObjectGrade:
    """The one grade of a kind (and name)."""
    (single,) = [each for each in plan.grades if each.kind is kind and name in {None, each.name}]
    return single


def moved(plan: SchemaPlan, schema: str) -> SchemaPlan:
    """The same plan for another schema."""
    return replace(plan, tables=tuple(replace(each, schema=schema) for each in plan.tables))
