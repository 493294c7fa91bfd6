"""The columns of a table in the target, with names, types, NOT NULL and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.records.plan import Grade, ObjectGrade, TargetColumn, TypeKind
from shared.records.source import ColumnProfile, Generated, ObjectKind, SourceColumn
from shared.schema.declared import read_declared
from shared.schema.defaults import TranslatedDefault, translate_default
from shared.schema.drafts import Draft
from shared.schema.names import SYSTEM_COLUMNS, GivenName, Names, fold

_INTEGERS: Final = frozenset({TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BIGINT})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedColumns:
    """A table's columns and the grades of what belongs to them."""

    columns: tuple[TargetColumn, ...]
    grades: tuple[ObjectGrade, ...]

    def of(self, source: str) -> TargetColumn:
        """The column that a source column becomes, by its name as SQLite compares names."""
        return next(column for column in self.columns if fold(column.source) == fold(source))

    def names_of(self, sources: tuple[str, ...]) -> tuple[str, ...]:
        """The target's names of source columns, in their order."""
        return tuple(self.of(source).name for source in sources)


def plan_columns(draft: Draft, *, preserve: bool) -> PlannedColumns:
    """Plan every column of a table."""
    ruled = [draft.said_of(position).name for position in range(len(draft.types))]
    names = Names(preserve=preserve, reserved=SYSTEM_COLUMNS, taken=[name for name in ruled if name is not None])
    columns: list[TargetColumn] = []
    grades: list[ObjectGrade] = []
    for position, source in enumerate(draft.table.columns):
        name = ruled[position]
        given = names.give(source.name) if name is None else GivenName(name=name, reason=_named_by(draft, position))
        default = _default(draft, position)
        columns.append(_column(draft, position, given, default))
        grades.extend(_grades(draft, position, given, default))
    return PlannedColumns(columns=tuple(columns), grades=tuple(grades))


def _column(draft: Draft, position: int, given: GivenName, default: TranslatedDefault | None) -> TargetColumn:
    source, chosen = draft.table.columns[position], draft.types[position]
    profile = draft.profile_of(position)
    return TargetColumn(
        source=source.name,
        name=given.name,
        type=chosen.type,
        not_null=profile.nulls == 0 and (source.not_null or source.name in draft.table.primary_key),
        default=default.sql if default else None,
        identity=_continues(draft, position),
        reason=chosen.reason + _sample(draft),
        classes=draft.found_in(position).classes,
        longest=_longest(draft.found_in(position)),
        expected_rejects=chosen.expected_rejects,
        possible_rejects=chosen.possible_rejects,
        treatment=chosen.treatment,
    )


def _longest(found: ColumnProfile) -> int | None:
    """None where the profile did not ask about texts or blobs that are there."""
    lengths = [
        length for count, length in ((found.texts, found.longest_text), (found.blobs, found.longest_blob)) if count
    ]
    return None if None in lengths else max((length for length in lengths if length is not None), default=0)


def _sample(draft: Draft) -> str:
    rows = draft.profile.sampled_rows
    return "" if rows is None else f", in a sample of {rows:,} rows"


def _named_by(draft: Draft, position: int) -> str:
    return f"{draft.said_of(position).rule('name')} says so"


def _is_rowid(draft: Draft, source: SourceColumn) -> bool:
    return source.name == draft.table.rowid_column


def _continues(draft: Draft, position: int) -> bool:
    """Whether the target goes on giving out ids, which only integers of its can."""
    return _is_rowid(draft, draft.table.columns[position]) and draft.types[position].type.kind in _INTEGERS


def _default(draft: Draft, position: int) -> TranslatedDefault | None:
    source = draft.table.columns[position]
    if source.default_sql is None or source.generated is not Generated.NO:
        return None
    if _is_rowid(draft, source):
        return TranslatedDefault(sql=None, reason="SQLite never uses the default of an INTEGER PRIMARY KEY")
    affinity = read_declared(source.declared_type, strict=draft.table.strict).affinity
    return translate_default(source.default_sql, draft.types[position].type, affinity)


def _grades(
    draft: Draft, position: int, given: GivenName, default: TranslatedDefault | None
) -> tuple[ObjectGrade, ...]:
    source = draft.table.columns[position]

    def grade(kind: ObjectKind, grade: Grade, reason: str) -> ObjectGrade:
        return ObjectGrade(kind=kind, name=source.name, table=draft.table.name, grade=grade, reason=reason)

    grades = []
    doubts = _doubts(draft, position, given)
    if doubts:
        grades.append(grade(ObjectKind.COLUMN, Grade.APPROXIMATED, "; ".join(doubts)))
    if default is not None:
        grades.append(grade(ObjectKind.DEFAULT, default.grade, default.reason))
    return tuple(grades)


def _is_searched(draft: Draft, position: int) -> bool:
    """Whether it is an empty column of a search, which has no declared type and is for texts all the same."""
    virtual = draft.table.virtual
    return virtual is not None and virtual.module.is_search and not draft.profile_of(position).values


def _doubts(draft: Draft, position: int, given: GivenName) -> list[str]:
    source, doubts = draft.table.columns[position], []
    if given.reason:
        doubts.append(f"named {given.name} in the target, since {given.reason}")
    if draft.types[position].doubt and not _is_searched(draft, position):
        doubts.append(draft.types[position].doubt)
    if _is_rowid(draft, source) and not _continues(draft, position):
        doubts.append(f"{draft.types[position].type.sql} cannot go on as an identity: the target gives out no ids")
    nulls = draft.profile_of(position).nulls
    if source.not_null and nulls:
        held = "row holds NULL" if nulls == 1 else "rows hold NULL"
        then = "" if nulls == draft.found_in(position).nulls else " then"
        doubts.append(f"declared NOT NULL, but {nulls:,} {held}{then}: the target allows it")
    return doubts
