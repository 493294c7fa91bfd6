"""Tables on their way from source to plan: which ones, and which type each column gets."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.errors import OperatorError
from shared.records.plan import JobOptions, TargetType, TypeKind, TypesPolicy
from shared.records.source import ColumnProfile, SourceCatalog, SourceColumn, SourceTable, TableProfile
from shared.schema.choices import ChosenType, Finding
from shared.schema.column_types import choose_type
from shared.schema.declared import read_declared
from shared.schema.names import fold
from shared.schema.rules.book import Said, TableSaid
from shared.schema.treated import after_rules, ruled

_NOTHING_SAID: Final = TableSaid()
_AS_TEXT = TargetType(kind=TypeKind.TEXT, sql=TypeKind.TEXT.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One table with what was found in it and the types chosen so far."""

    table: SourceTable
    profile: TableProfile
    """Once rules have made NULL of empty texts and mended bad ones; the columns' own are in `found`."""
    types: tuple[ChosenType, ...]
    """One for each column of the table, in its order."""
    found: TableProfile
    """What the source really holds."""
    said: TableSaid
    """What rules say of the table."""

    def position(self, column: str) -> int | None:
        """Where a column stands, by its name as SQLite compares names; None where there is none."""
        names = [fold(each.name) for each in self.table.columns]
        return names.index(fold(column)) if fold(column) in names else None

    def profile_of(self, position: int) -> ColumnProfile:
        """What was found in a column."""
        return self.profile.columns[self.table.columns[position].name]

    @property
    def left_out(self) -> frozenset[str]:
        """Folded names of the columns that rules leave out, which `table` no longer has."""
        return frozenset(name for name, said in self.said.columns.items() if said.exclude)

    def said_of(self, position: int) -> Said:
        """What rules say of a column."""
        return self.said.of(self.table.columns[position].name)

    def found_in(self, position: int) -> ColumnProfile:
        """What the source really holds in a column, before anything a rule does to it."""
        return self.found.columns[self.table.columns[position].name]

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


def draft_table(
    table: SourceTable,
    profile: TableProfile,
    *,
    said: TableSaid = _NOTHING_SAID,
    policy: TypesPolicy = TypesPolicy.LOSSLESS,
) -> Draft:
    """Choose the types of a table's columns, each for itself."""
    treated = {
        column.name: after_rules(profile.columns[column.name], said.of(column.name).treatment)
        for column in table.columns
    }
    types = tuple(_choose(table, column, profile, treated[column.name], said, policy) for column in table.columns)
    draft = Draft(table=table, profile=replace(profile, columns=treated), types=types, found=profile, said=said)
    for name in _key_columns(table):
        draft = _comparable(draft, draft.position(name))
    return draft


def _choose(
    table: SourceTable,
    column: SourceColumn,
    profile: TableProfile,
    treated: ColumnProfile,
    said: TableSaid,
    policy: TypesPolicy,
) -> ChosenType:
    chosen = choose_type(column, treated, strict=table.strict, policy=policy)
    own = said.of(column.name)
    if not own.by:
        return chosen
    declared = read_declared(column.declared_type, strict=table.strict)
    finding = Finding(column=column, declared=declared, profile=treated)
    return ruled(chosen, finding, profile.columns[column.name], own, sampled=profile.sampled_rows is not None)


def _key_columns(table: SourceTable) -> tuple[str, ...]:
    indexed = (column.name for index in table.indexes if index.unique for column in index.columns)
    return (*table.primary_key, *(name for name in indexed if name is not None))


def _comparable(draft: Draft, position: int | None) -> Draft:
    """PostgreSQL's json has no equality, so no key can be made of it; text has.

    Raises:
        OperatorError: where a rule says json.
    """
    if position is None or draft.types[position].type.kind is not TypeKind.JSON:
        return draft
    chosen = draft.types[position]
    if chosen.fixed:
        place = f"{draft.table.name}.{draft.table.columns[position].name}"
        msg = (
            f"{draft.said_of(position).rule('type')} gives {place} the type json, which has no equality, but a key of "
            "the table needs it: give it jsonb or text"
        )
        raise OperatorError(msg)
    reason = f"{chosen.reason}; text, since json cannot be part of a key"
    return draft.with_type(position, replace(chosen, type=_AS_TEXT, reason=reason, doubt=reason))
