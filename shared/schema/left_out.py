"""A source without the columns that rules leave out, and without what cannot be without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from shared.records.plan import Grade, ObjectGrade
from shared.records.source import (
    IndexOrigin,
    ObjectKind,
    SourceCatalog,
    SourceForeignKey,
    SourceIndex,
    SourceTable,
    VirtualTable,
)
from shared.schema.names import fold
from shared.schema.rules.book import RuleBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What is left of a source."""

    catalog: SourceCatalog
    grades: tuple[ObjectGrade, ...]
    """The columns that are left out, and the keys and indexes that go with them."""


def without_left_out(catalog: SourceCatalog, book: RuleBook) -> Remaining:
    """Take out of every table the columns that rules leave out, and keys and indexes that name them.

    Checks, views and triggers that name them are found out where they are translated.
    """
    out = {fold(table.name): left_out_of(table, book) for table in catalog.tables}
    if not any(out.values()):
        return Remaining(catalog=catalog, grades=())
    parents = {fold(table.name): table for table in catalog.tables}
    tables: list[SourceTable] = []
    grades: list[ObjectGrade] = []
    for table in catalog.tables:
        lost = out[fold(table.name)]
        far = {key: _lost_far(key, parents, out) for key in table.foreign_keys}
        tables.append(_smaller(table, lost, far))
        grades.extend(_grades(table, lost, book, far))
    objects = tuple(
        replace(each, virtual=_searched(each.virtual, out.get(fold(each.name), frozenset())))
        for each in catalog.objects
    )
    return Remaining(catalog=replace(catalog, tables=tuple(tables), objects=objects), grades=tuple(grades))


def left_out_of(table: SourceTable, book: RuleBook) -> frozenset[str]:
    """The folded names of the columns that rules leave out."""
    said = book.of(table.name)
    return frozenset(fold(column.name) for column in table.columns if said.of(column.name).exclude)


def _lost_far(key: SourceForeignKey, parents: dict[str, SourceTable], out: dict[str, frozenset[str]]) -> bool:
    parent = parents.get(fold(key.parent_table))
    if parent is None:
        return False
    return _names_any(key.parent_columns or parent.primary_key, out[fold(parent.name)])


def _names_any(names: Collection[str], lost: Collection[str]) -> bool:
    return any(fold(name) in lost for name in names)


def _index_names(index: SourceIndex) -> list[str]:
    return [column.name for column in index.columns if column.name is not None]


def _smaller(table: SourceTable, lost: frozenset[str], far: dict[SourceForeignKey, bool]) -> SourceTable:
    keeps_key = not _names_any(table.primary_key, lost)
    keeps_rowid = table.rowid_column is None or fold(table.rowid_column) not in lost
    return replace(
        table,
        columns=tuple(column for column in table.columns if fold(column.name) not in lost),
        primary_key=table.primary_key if keeps_key else (),
        rowid_column=table.rowid_column if keeps_rowid else None,
        autoincrement_floor=table.autoincrement_floor if keeps_rowid else None,
        indexes=tuple(index for index in table.indexes if not _names_any(_index_names(index), lost)),
        foreign_keys=tuple(key for key in table.foreign_keys if not (_names_any(key.columns, lost) or far[key])),
        virtual=_searched(table.virtual, lost),
    )


def _searched(virtual: VirtualTable | None, lost: frozenset[str]) -> VirtualTable | None:
    if virtual is None or not lost:
        return virtual
    return replace(
        virtual,
        columns=tuple(name for name in virtual.columns if fold(name) not in lost),
        unindexed=tuple(name for name in virtual.unindexed if fold(name) not in lost),
    )


def _grades(
    table: SourceTable, lost: frozenset[str], book: RuleBook, far: dict[SourceForeignKey, bool]
) -> Iterator[ObjectGrade]:
    said = book.of(table.name)

    def refused(kind: ObjectKind, name: str, reason: str) -> ObjectGrade:
        return ObjectGrade(kind=kind, name=name, table=table.name, grade=Grade.REFUSED, reason=reason)

    for column in table.columns:
        if fold(column.name) in lost:
            yield refused(ObjectKind.COLUMN, column.name, f"left out by {said.of(column.name).rule('exclude')}")
    if _names_any(table.primary_key, lost):
        label = f"({', '.join(table.primary_key)})"
        yield refused(ObjectKind.PRIMARY_KEY, label, _without(table.primary_key, lost))
    for index in table.indexes:
        names = _index_names(index)
        if index.origin is not IndexOrigin.PRIMARY_KEY and _names_any(names, lost):
            kind = ObjectKind.UNIQUE_KEY if index.unique else ObjectKind.INDEX
            label = index.name if index.origin is IndexOrigin.CREATED else f"({', '.join(names)})"
            yield refused(kind, label, _without(names, lost))
    yield from _foreign_grades(table, lost, far)


def _foreign_grades(
    table: SourceTable, lost: frozenset[str], far: dict[SourceForeignKey, bool]
) -> Iterator[ObjectGrade]:
    seen: Counter[str] = Counter()
    for key in table.foreign_keys:
        referred = f" ({', '.join(key.parent_columns)})" if key.parent_columns else ""
        label = f"({', '.join(key.columns)}) -> {key.parent_table}{referred}"
        seen[label] += 1
        if _names_any(key.columns, lost):
            reason = _without(key.columns, lost)
        elif far[key]:
            reason = f"a rule leaves a column out that it refers to in {key.parent_table}"
        else:
            continue
        yield ObjectGrade(
            kind=ObjectKind.FOREIGN_KEY,
            name=label if seen[label] == 1 else f"{label}, {seen[label]}",
            table=table.name,
            grade=Grade.REFUSED,
            reason=reason,
        )


def _without(names: Collection[str], lost: Collection[str]) -> str:
    gone = ", ".join(name for name in names if fold(name) in lost)
    return f"a rule leaves {gone} out"
