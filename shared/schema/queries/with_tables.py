"""WITH: tables that a statement makes for itself, recursive ones included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from shared.quoting import quote
from shared.records.plan import TargetType
from shared.schema.dialect.scope import Named, UntranslatableError
from shared.schema.names import Names, fold
from shared.schema.queries.frames import Frame
from shared.schema.queries.readable import Readable
from shared.schema.queries.rendered import Rendered

if TYPE_CHECKING:
    from shared.schema.queries.query import Query

_GROWTH: Final = 3
"""How often a recursive column's type may change: integer, numeric, double precision, text."""


def with_query(query: Query, node: Any, outer: Frame | None, wanted: Sequence[TargetType] | None) -> Rendered:
    """Translate a SELECT with the tables that its WITH makes."""
    tables, recursive = [], False
    made = node.args["with_"].expressions
    for number, each in enumerate(made):
        _refuse_later(each, made[number + 1 :])
        readable, sql, recurs = _with_table(query, each, outer)
        known = {**query.setting.with_tables, fold(each.alias): readable}
        query = query.knowing(known)
        tables.append(sql)
        recursive = recursive or recurs
    body = node.copy()
    body.set("with_", None)
    rendered = query.translate(body, outer, wanted)
    keyword = "WITH RECURSIVE" if recursive else "WITH"
    return replace(rendered, sql=f"{keyword} {', '.join(tables)} {rendered.sql}")


def _with_table(query: Query, each: Any, outer: Frame | None) -> tuple[Readable, str, bool]:
    """Translate one table of WITH: what it is, its SQL, and whether it reads itself."""
    target = quote(query.setting.notes.names.give(each.alias).name)
    recurs = isinstance(each.this, exp.SetOperation) and _reads(each.this.expression, each.alias)
    rendered = _recursive(query, each, target, outer) if recurs else query.translate(each.this, outer)
    columns = _renamed(rendered.columns, _column_names(each), preserve=query.setting.preserve)
    listed = ", ".join(quote(column.name) for column in columns)
    return Readable(target=target, columns=columns), f"{target} ({listed}) AS ({rendered.sql})", recurs


def _recursive(query: Query, each: Any, target: str, outer: Frame | None) -> Rendered:
    union = each.this
    if union.args.get("order") is not None or union.args.get("limit") is not None or union.args.get("offset"):
        msg = f"the recursive WITH table {each.alias} has ORDER BY or LIMIT, which PostgreSQL does not have there"
        raise UntranslatableError(msg)
    if not isinstance(union, exp.Union) or _reads(union.this, each.alias):
        msg = f"the WITH table {each.alias} reads itself in another way than PostgreSQL allows"
        raise UntranslatableError(msg)
    start = query.translate(union.this, outer)
    types = [column.type for column in start.columns]
    # The type of a column may grow by what the recursion makes of it, and by that once more.
    for _ in range(_GROWTH):
        step = _step(query, each, target, query.translate(union.this, outer, types), outer)
        grown = query.common([types, step.types])
        if grown == types:
            break
        types = grown
    start = query.translate(union.this, outer, types)
    step = _step(query, each, target, start, outer, types)
    operator = "UNION" if union.args.get("distinct") else "UNION ALL"
    return Rendered(sql=f"({start.sql}) {operator} ({step.sql})", columns=start.columns)


def _step(
    query: Query,
    each: Any,
    target: str,
    start: Rendered,
    outer: Frame | None,
    types: Sequence[TargetType] | None = None,
) -> Rendered:
    columns = _renamed(start.columns, _column_names(each), preserve=query.setting.preserve)
    itself = Readable(target=target, columns=tuple(replace(column, not_null=False) for column in columns))
    known = {**query.setting.with_tables, fold(each.alias): itself}
    return query.knowing(known).translate(each.this.expression, outer, types)


def _refuse_later(each: Any, later: Sequence[Any]) -> None:
    """SQLite lets a table of WITH read one that comes after it, in preference to a table of the database."""
    for other in later:
        if _reads(each.this, other.alias):
            msg = f"the WITH table {each.alias} reads {other.alias}, which comes after it"
            raise UntranslatableError(msg)


def _reads(node: Any, name: str) -> bool:
    return any(fold(table.name) == fold(name) and not table.db for table in node.find_all(exp.Table))


def _column_names(each: Any) -> tuple[str, ...]:
    alias = each.args.get("alias")
    return tuple(column.name for column in (alias.args.get("columns") or ())) if alias is not None else ()


def _renamed(columns: Sequence[Named], names: Sequence[str], *, preserve: bool) -> tuple[Named, ...]:
    if not names:
        return tuple(columns)
    if len(names) != len(columns):
        msg = f"a WITH table has {len(names)} names for {len(columns)} columns"
        raise UntranslatableError(msg)
    given = Names(preserve=preserve)
    return tuple(
        replace(column, source=name, name=given.give(name).name) for column, name in zip(columns, names, strict=True)
    )
