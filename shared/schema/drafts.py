"""Tables on their way from source to plan: which ones, and which type each column gets."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.errors import OperatorError
from shared.records.plan import JobOptions, TargetType, TypeKind
from shared.records.source import ColumnProfile, SourceCatalog, SourceTable, TableProfile
from shared.schema.choices import ChosenType
from shared.schema.column_types import choose_type
from shared.schema.names import fold

_AS_TEXT = TargetType(kind=TypeKind.TEXT, sql=TypeKind.TEXT.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One table with what was found in it and the types chosen so far."""

    table: SourceTable
    profile: TableProfile
    types: tuple[ChosenType, ...]
    """One for each column of the table, in its order."""

    def position(self, column: str) -> int | None:
        """Where a column stands, by its name as SQLite compares names; None where there is none."""
        names = [fold(each.name) for each in self.table.columns]
        return names.index(fold(column)) if fold(column) in names else None

    def profile_of(self, position: int) -> ColumnProfile:
        """What was found in a column."""
        return self.profile.columns[self.table.columns[position].name]

    def with_type(self, position: int, chosen: ChosenType) -> Draft:
        """Give a column another type."""
        return replace(self, types=(*self.types[:position], chosen, *self.types[position + 1 :]))


def pick_tables(catalog: SourceCatalog, options: JobOptions) -> tuple[SourceTable, ...]:
    """The tables that the operator asked for, by name as SQLite compares names, in the catalog's order.

    Raises:
        OperatorError: for names that the source does not have.
    """
    known = {fold(table.name): table.name for table in catalog.tables}
    unknown = [name for name in (*options.tables, *options.exclude) if fold(name) not in known]
    if unknown:
        raise OperatorError(_unknown_tables(unknown, known))
    wanted = {fold(name) for name in options.tables} or set(known)
    wanted -= {fold(name) for name in options.exclude}
    return tuple(table for table in catalog.tables if fold(table.name) in wanted)


def _unknown_tables(unknown: Sequence[str], known: Mapping[str, str]) -> str:
    names = ", ".join(repr(name) for name in unknown)
    near = [known[match] for name in unknown for match in difflib.get_close_matches(fold(name), known, n=1)]
    hint = f"did you mean {', '.join(map(repr, near))}?" if near else f"it has {_listed(known.values())}"
    return f"the source has no table named {names}; {hint}"


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    shown = ", ".join(map(repr, ordered[:20]))
    return (shown or "none") + (f" and {len(ordered) - 20} more" if len(ordered) > 20 else "")


def draft_table(table: SourceTable, profile: TableProfile) -> Draft:
    """Choose the types of a table's columns, each for itself."""
    types = tuple(choose_type(column, profile.columns[column.name], strict=table.strict) for column in table.columns)
    draft = Draft(table=table, profile=profile, types=types)
    for name in _key_columns(table):
        draft = _comparable(draft, draft.position(name))
    return draft


def _key_columns(table: SourceTable) -> tuple[str, ...]:
    indexed = (column.name for index in table.indexes if index.unique for column in index.columns)
    return (*table.primary_key, *(name for name in indexed if name is not None))


def _comparable(draft: Draft, position: int | None) -> Draft:
    """PostgreSQL's json has no equality, so no key can be made of it; text has."""
    if position is None or draft.types[position].type.kind is not TypeKind.JSON:
        return draft
    chosen = draft.types[position]
    reason = f"{chosen.reason}; text, since json cannot be part of a key"
    return draft.with_type(position, replace(chosen, type=_AS_TEXT, reason=reason, doubt=reason))
