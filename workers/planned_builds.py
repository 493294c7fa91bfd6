"""What is to be built on a loaded table that reads all its rows: keys, indexes, the index of its search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shared.records.builds import NewBuild
from shared.records.plan import GradedAs, IndexPlan, KeyPlan, SearchPlan, TablePlan, TypeKind
from shared.records.source import ObjectKind
from shared.target import ddl

_WIDTHS: Final = MappingProxyType(
    {
        TypeKind.SMALLINT: 2,
        TypeKind.INTEGER: 4,
        TypeKind.BIGINT: 8,
        TypeKind.REAL: 4,
        TypeKind.DOUBLE: 8,
        TypeKind.BOOLEAN: 1,
        TypeKind.TIMESTAMP: 8,
        TypeKind.TIMESTAMPTZ: 8,
        TypeKind.DATE: 4,
        TypeKind.TIME: 8,
        TypeKind.UUID: 16,
    }
)
"""Bytes of a value, of the types that have one width: https://www.postgresql.org/docs/current/datatype.html"""
_ENTRY: Final = 16
"""Bytes of an index entry besides its values, alignment included: https://www.postgresql.org/docs/current/btree.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBuild:
    """One key or index of a plan: what it is, and the SQL that makes it."""

    kind: ObjectKind
    planned: KeyPlan | IndexPlan | SearchPlan
    graded_as: GradedAs
    name: str
    """The index's name, which is the constraint's too."""
    whole: str
    """The statement that makes all of it, a key with its constraint."""
    apart: str
    """The statement that makes the index alone and lets other indexes of the table be made meanwhile: adding a
    constraint locks the table even against readers."""

    @property
    def is_key(self) -> bool:
        """Whether a constraint belongs to it."""
        return isinstance(self.planned, KeyPlan)

    @property
    def is_of_table(self) -> bool:
        """Whether its grade belongs to the table; that of a search belongs to the source's virtual table."""
        return not isinstance(self.planned, SearchPlan)

    @property
    def unique_columns(self) -> tuple[str, ...] | None:
        """The columns that it keeps unique, or None."""
        if isinstance(self.planned, SearchPlan) or (isinstance(self.planned, IndexPlan) and not self.planned.unique):
            return None
        return self.planned.columns


def planned_builds(plan: TablePlan) -> tuple[PlannedBuild, ...]:
    """All keys and indexes of a plan, in the order in which they are built one after the other."""
    return tuple(_builds(plan))


def new_builds(plan: TablePlan, planned: Sequence[PlannedBuild]) -> tuple[NewBuild, ...]:
    """What the ledger records of builds that are tasks of their own."""
    return tuple(
        NewBuild(kind=build.kind, name=build.name, bytes_expected=expected_bytes(plan, build)) for build in planned
    )


def is_large(plan: TablePlan, *, bound: int) -> bool:
    """Whether a table has a key or index of at least so many bytes, so that each of them is worth a task."""
    return any(expected_bytes(plan, build) >= bound for build in planned_builds(plan))


def expected_bytes(plan: TablePlan, build: PlannedBuild) -> int:
    """Estimate an index's size: rows by the width of its values; of texts, expressions and search the rows' mean."""
    planned = build.planned
    mean = plan.row_bytes / max(1, len(plan.columns))
    if isinstance(planned, SearchPlan):
        return int(plan.rows * plan.row_bytes)
    terms = planned.terms if isinstance(planned, IndexPlan) else ()
    widths = {column.name: _WIDTHS.get(column.type.kind, mean) for column in plan.columns}
    width = sum(widths.get(name, mean) for name in planned.columns) + mean * len(terms)
    return int(plan.rows * (_ENTRY + width))


def graded_search(search: SearchPlan) -> GradedAs:
    """The object of the source that a search stands for."""
    return search.graded_as or GradedAs(kind=ObjectKind.VIRTUAL_TABLE, name=search.column)


def _builds(plan: TablePlan) -> Iterator[PlannedBuild]:
    primary = ddl.primary_key(plan)
    if plan.primary_key is not None and primary is not None:
        yield _key(plan, ObjectKind.PRIMARY_KEY, plan.primary_key, primary)
    for key in plan.unique_keys:
        yield _key(plan, ObjectKind.UNIQUE_KEY, key, ddl.unique_key(plan, key))
    for index in plan.indexes:
        graded_as = index.graded_as or GradedAs(kind=ObjectKind.INDEX, name=index.name)
        sql = ddl.index(plan, index)
        yield PlannedBuild(
            kind=ObjectKind.INDEX, planned=index, graded_as=graded_as, name=index.name, whole=sql, apart=sql
        )
    for search in plan.search:
        sql = ddl.search_index(plan, search)
        yield PlannedBuild(
            kind=ObjectKind.VIRTUAL_TABLE,
            planned=search,
            graded_as=graded_search(search),
            name=search.index,
            whole=sql,
            apart=sql,
        )


def _key(plan: TablePlan, kind: ObjectKind, key: KeyPlan, whole: str) -> PlannedBuild:
    graded_as = key.graded_as or GradedAs(kind=kind, name=key.name)
    return PlannedBuild(
        kind=kind, planned=key, graded_as=graded_as, name=key.name, whole=whole, apart=ddl.key_index(plan, key)
    )
