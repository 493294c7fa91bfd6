"""Make fidelity.md: what becomes of every value and every object, told by asking the program itself.

Types and objects are planned from small databases that are made for it; values are converted by the copy's own code.
"""  # noqa: INP001 - a folder of pages, no package

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from fidelity_examples import DECLARED, RULES, TYPES, VALUES

from shared.records.existing import TargetAbilities
from shared.records.keys import RawText, Value
from shared.records.plan import (
    Grade,
    JobOptions,
    ObjectGrade,
    SchemaPlan,
    TargetColumn,
    TargetType,
    TypeKind,
    TypesPolicy,
)
from shared.records.rules import Treatment
from shared.records.source import ObjectKind, StorageClass
from shared.schema.declared import read_declared
from shared.schema.dialect.function_table import ALL_FUNCTIONS
from shared.schema.dialect.functions import Function
from shared.schema.objects import translate
from shared.schema.postgres_types import read_type
from shared.source.kinds import open_source
from shared.target.convert_values import ValueDoesNotFit, adapt
from shared.target.value_rules import Unfit

_EXAMPLE: Final = Path(__file__).resolve().parent / "fidelity.example.sql"
_NEW: Final = TargetAbilities(version=180000, icu=True)
_OLD: Final = TargetAbilities(version=150000, icu=True, citext=True)
_BARE: Final = TargetAbilities(version=150000, icu=False)

_EXAMPLES: Final = 3
"""So many of what is alike are shown."""

# --- values --------------------------------------------------------------------------------------------------------


def _matrix() -> str:
    rows = [
        (f"`{name}`", *(_cell_of(values, name, Treatment(), most=_EXAMPLES) for values in VALUES.values()))
        for name in TYPES
    ]
    texts, blobs = "what PostgreSQL reads from their text; what it refuses is a reject", Unfit.NO_TEXT_FORM
    rows.append(("any other", *[texts] * 3, f"*rejects:* {blobs}"))
    return _table(("PostgreSQL's type", *(each.value.upper() for each in StorageClass)), rows)


def _treatments() -> str:
    rows = [(f"`{key}`", f"`{type_}`", _cell_of(values, type_, how)) for key, type_, how, values in RULES]
    return _table(("rule", "type", "what becomes of values"), rows)


def _cell_of(values: Sequence[Value], type_: str, how: Treatment, *, most: int | None = None) -> str:
    """What becomes of some values: those that stay as they are, those that change, rejects by their reasons."""
    kept, changed, refused = [], [], defaultdict(list)
    for value in values:
        try:
            held = _held(value, _column(read_type(type_), how))
        except ValueDoesNotFit as unfit:
            refused[unfit.reason.value].append(_shown(value))
            continue
        if _is_same(value, held):
            kept.append(_shown(value))
        else:
            changed.append(f"{_shown(value)} → {'NULL' if held is None else f'`{held}`'}")
    parts = [", ".join(kept)] if kept else []
    parts += [*changed[:_EXAMPLES], "and so on"] if most is not None and len(changed) > most else changed
    parts += [_rejects(reason, shown, values) for reason, shown in refused.items()]
    return "<br>".join(parts)


def _held(value: Value, column: TargetColumn) -> str | None:
    """What the copy gives PostgreSQL, which says itself what is JSON."""
    held = adapt(value, column)
    if column.type.kind in {TypeKind.JSON, TypeKind.JSONB} and held is not None:
        try:
            json.loads(held)
        except ValueError:
            raise ValueDoesNotFit(column, Unfit.NOT_JSON) from None
    return held


def _is_same(value: Value, held: str | None) -> bool:
    if isinstance(value, int | float) and held is not None:
        return held in {_digits(value), f"{value}.0"}
    return held == (f"\\x{value.hex()}" if isinstance(value, bytes) else value)


def _rejects(reason: str, shown: Sequence[str], values: Sequence[Value]) -> str:
    if len(shown) == len(values) > 1:
        return f"*rejects:* {reason}"
    return f"*rejects:* {', '.join(shown) if len(shown) <= _EXAMPLES + 1 else 'others'}: {reason}"


def _column(type_: TargetType, how: Treatment) -> TargetColumn:
    return TargetColumn(source="v", name="v", type=type_, treatment=how)


def _digits(value: float) -> str:
    return {"inf": "Infinity"}.get(repr(value), repr(value))


def _shown(value: Value) -> str:
    match value:
        case None:
            return "NULL"
        case RawText(raw=raw):
            return f"`'{raw.decode(errors='backslashreplace')}'`"
        case bytes():
            return f"`x'{value.hex()}'`"
        case str():
            return f"`'{value}'`".replace("\0", "\\0")
    return f"`{_digits(value)}`"


# --- types and objects -----------------------------------------------------------------------------------------------


def _types() -> str:
    examples = [(declared, values) for declared, several in DECLARED for values in several]
    script = "".join(f"CREATE TABLE t{number} (v {declared});" for number, (declared, _) in enumerate(examples))
    rows = [(f"t{number}", values) for number, (_, values) in enumerate(examples)]
    plans = [_planned(script, rows, JobOptions(types=policy)) for policy in TypesPolicy]
    lines = []
    for number, (declared, values) in enumerate(examples):
        (lossless, said), (as_declared, _) = (_type_of(plan, f"t{number}") for plan in plans)
        affinity = read_declared(declared).affinity.value.upper()
        shown = ", ".join(map(_shown, values)) or "no values"
        lines.append((f"`{declared}`" if declared else "none", affinity, shown, lossless, as_declared, said))
    head = ("declared", "affinity", "values", "type", "with `--types declared`", "what the plan says")
    return _table(head, lines)


def _type_of(plan: SchemaPlan, table: str) -> tuple[str, str]:
    """A column's type, with what does not fit it, and what its grade says."""
    (column,) = next(each for each in plan.tables if each.name == table).columns
    doubts = [grade.reason for grade in plan.grades if grade.table == table and grade.kind is ObjectKind.COLUMN]
    least, most = column.expected_rejects, column.expected_rejects + column.possible_rejects
    rejects = f"; rejects: {least}" if least == most else f"; rejects: {least} to {most}"
    return f"`{column.type.sql}`{rejects if most else ''}", "; ".join(doubts)


def _planned(
    script: str,
    rows: Iterable[tuple[str, Iterable[Value]]] = (),
    options: JobOptions | None = None,
    abilities: TargetAbilities = _NEW,
) -> SchemaPlan:
    """Plan a database that is made for it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.db"
        with closing(sqlite3.connect(path)) as connection, connection:
            # What applications give SQLite, and PostgreSQL knows nothing of.
            connection.create_function("my_function", 1, bool, deterministic=True)
            connection.create_collation("localized", lambda one, other: (one > other) - (one < other))
            connection.executescript(script)
            for table, values in rows:
                connection.executemany(f"INSERT INTO {table} VALUES (?)", [(value,) for value in values])
        with open_source(str(path), frozen=False) as reader:
            catalog = reader.catalog()
            profiles = {table.name: reader.profile(table) for table in catalog.tables}
    return translate(catalog, profiles, target_schema="public", options=options or JobOptions(), abilities=abilities)


def _objects() -> str:
    kinds = {kind: place for place, kind in enumerate(ObjectKind)}
    grades = sorted(_planned(_EXAMPLE.read_text()).grades, key=lambda grade: kinds[grade.kind])
    lines = [(grade.kind.value, *_grade_line(grade)) for grade in grades if _tells_something(grade)]
    return _table(("kind", "object", "grade", "what differs, or why not"), lines)


def _tells_something(grade: ObjectGrade) -> bool:
    """Of the many shadow tables those of one search alone."""
    return grade.kind is not ObjectKind.SHADOW_TABLE or grade.table == "notes"


def _grade_line(grade: ObjectGrade) -> tuple[str, str, str]:
    of = f" of `{grade.table}`" if grade.table not in {None, grade.name} else ""
    return f"`{grade.name}`{of}", grade.grade.value, grade.reason


def _nocase() -> str:
    script = "CREATE TABLE t (name TEXT COLLATE NOCASE UNIQUE, code TEXT COLLATE RTRIM, place TEXT COLLATE BINARY);"
    lines: list[Sequence[str]] = []
    for server, abilities in (
        ("PostgreSQL 18 with ICU", _NEW),
        ("PostgreSQL 15 with ICU and citext", _OLD),
        ("PostgreSQL 15 with neither", _BARE),
    ):
        plan = _planned(script, abilities=abilities)
        lines += [(server, *_grade_line(grade)) for grade in plan.grades if grade.grade is not Grade.EXACT]
    return _table(("server", "object", "grade", "what differs"), lines)


def _functions() -> str:
    lines = []
    for grade in Grade:
        alike = _by_note(each for each in ALL_FUNCTIONS if each.grade is grade)
        lines += [(", ".join(names), grade.value, note) for note, names in alike]
    return _table(("functions", "grade", "note"), lines)


def _by_note(functions: Iterable[Function]) -> Iterable[tuple[str, list[str]]]:
    found: dict[str, list[str]] = defaultdict(list)
    for each in functions:
        found[each.note].append(f"`{each.name}` ({each.arity})")
    return found.items()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "types": _types,
    "values": _matrix,
    "treatments": _treatments,
    "example": lambda: f"```sql\n{_EXAMPLE.read_text()}```\n",
    "objects": _objects,
    "collations": _nocase,
    "functions": _functions,
}
"""What stands between the marks of fidelity.md, by name."""
