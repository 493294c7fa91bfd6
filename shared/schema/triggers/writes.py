"""INSERT, UPDATE and DELETE statements of a trigger's body in PostgreSQL's terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from shared.quoting import qualified, quote
from shared.records.source import Generated
from shared.schema.dialect.scope import Named, UntranslatableError
from shared.schema.foreign_keys import Neighbour
from shared.schema.names import fold
from shared.schema.queries.frames import Frame, Item, resolve
from shared.schema.queries.from_clause import FromTranslator
from shared.schema.queries.outputs import bare, traits_of
from shared.schema.queries.rendered import Rendered
from shared.schema.triggers.conflicts import on_conflict
from shared.schema.triggers.scope import TriggerScope, column_of, names_of, within


def translate_write(node: Any, scope: TriggerScope) -> str:
    """Translate a statement that changes rows, without a semicolon.

    Raises:
        UntranslatableError: with a clause that says what has no translation, and why.
    """
    match node:
        case exp.Insert():
            return _insert(node, scope)
        case exp.Update():
            return _update(node, scope)
        case exp.Delete():
            return _delete(node, scope)
    msg = f"{node.key.upper()} has no translation in a trigger"
    raise UntranslatableError(msg)


def _insert(node: Any, scope: TriggerScope) -> str:
    table = node.this.this if isinstance(node.this, exp.Schema) else node.this
    name, database, alias = names_of(table)
    neighbour = scope.writable(name, database)
    item = scope.own_item(neighbour, alias)
    into = f"INSERT INTO {qualified(scope.world.schema, neighbour.plan.name)} AS {item.relation.target}"
    columns = _columns(node, neighbour, scope)
    columns, rows = _rows(node.expression, columns, neighbour, scope)
    listed = ", ".join(quote(column.name) for column in columns)
    conflict = on_conflict(node, neighbour, item, columns, scope, assignments)
    return f"{into} ({listed}) {rows}{conflict}"


def _columns(node: Any, neighbour: Neighbour, scope: TriggerScope) -> list[Named]:
    if isinstance(node.this, exp.Schema):
        names = [column.name for column in node.this.expressions]
    else:
        columns = neighbour.draft.table.columns
        names = [column.name for column in columns if column.generated is Generated.NO]
    return [column_of(neighbour, scope.world.schema, name) for name in names]


def _rows(node: Any, columns: list[Named], neighbour: Neighbour, scope: TriggerScope) -> tuple[list[Named], str]:
    types = [column.type for column in columns]
    if not isinstance(node, exp.Values):
        rendered = scope.query.translate(node, scope.frame, types)
        return _without_next_ids(rendered, columns, neighbour, scope)
    rows = [_fields(row) for row in node.expressions]
    if any(len(row) != len(columns) for row in rows):
        msg = f"it inserts {len(rows[0])} values into {len(columns)} columns"
        raise UntranslatableError(msg)
    places = _given(columns, rows, neighbour)
    kept = [columns[place] for place in places]
    lines = ", ".join(_line([row[place] for place in places], kept, _identities(neighbour), scope) for row in rows)
    return kept, f"VALUES {lines}"


def _without_next_ids(
    rows: Rendered, columns: list[Named], neighbour: Neighbour, scope: TriggerScope
) -> tuple[list[Named], str]:
    """Leave out a column that is NULL alone and whose NULL asks SQLite for the next id."""
    identities = _identities(neighbour)
    asks = [null and column.name in identities for null, column in zip(rows.nulls, columns, strict=True)]
    if not any(asks):
        return columns, rows.sql
    alias = quote(scope.notes.names.give("rows").name)
    names = [quote(column.name) for column in columns]
    kept = [place for place, left_out in enumerate(asks) if not left_out]
    listed = ", ".join(f"{alias}.{names[place]}" for place in kept)
    return [columns[place] for place in kept], f"SELECT {listed} FROM ({rows.sql}) AS {alias} ({', '.join(names)})"


def _identities(neighbour: Neighbour) -> set[str]:
    return {column.name for column in neighbour.plan.columns if column.identity}


def _fields(row: Any) -> list[Any]:
    return list(row.expressions) if isinstance(row, exp.Tuple) else [row]


def _line(row: Sequence[Any], columns: Sequence[Named], identities: set[str], scope: TriggerScope) -> str:
    frame = Frame(outer=scope.frame)
    nodes = [resolve(value, frame) for value in row]
    for node, column in zip(nodes, columns, strict=True):
        if column.name in identities and not traits_of(node, frame).not_null:
            scope.notes.doubt(f"where {column.source} would be NULL it is an error, and in SQLite the next id")
    return f"({', '.join(scope.query.typed(nodes, [column.type for column in columns], frame))})"


def _given(columns: Sequence[Named], rows: Sequence[Sequence[Any]], neighbour: Neighbour) -> list[int]:
    """The places of the values that are given: NULL for an INTEGER PRIMARY KEY asks SQLite for the next id."""
    identities = _identities(neighbour)
    places = []
    for place, column in enumerate(columns):
        nulls = [isinstance(bare(row[place]), exp.Null) for row in rows]
        if column.name not in identities or not any(nulls):
            places.append(place)
        elif not all(nulls):
            msg = f"some of its rows give {column.source} and others leave it to the database"
            raise UntranslatableError(msg)
    return places


def _update(node: Any, scope: TriggerScope) -> str:
    _refuse(node, {"this", "expressions", "where", "from_"})
    name, database, alias = names_of(node.this)
    neighbour = scope.writable(name, database)
    item = scope.own_item(neighbour, alias)
    frame, listed = _from(node, item, scope)
    changes = assignments(node.expressions, neighbour, frame, scope)
    return f"UPDATE {_aliased(neighbour, item, scope)} SET {changes}{listed}{_where(node, frame, scope)}"


def _from(node: Any, item: Item, scope: TriggerScope) -> tuple[Frame, str]:
    clause = node.args.get("from_")
    if clause is None:
        return within(scope.frame, item), ""
    translator = FromTranslator(
        setting=scope.query.setting,
        outer=scope.frame,
        nested=lambda each: scope.query.nested(each, scope.frame),
        condition=scope.query.condition,
    )
    joined = translator.translate(exp.Select(from_=clause.copy()))
    if joined is None or joined.merged:
        msg = "its UPDATE … FROM has no translation"
        raise UntranslatableError(msg)
    return within(scope.frame, item, *joined.items), f" FROM {joined.sql}"


def _delete(node: Any, scope: TriggerScope) -> str:
    _refuse(node, {"this", "where"})
    name, database, alias = names_of(node.this)
    neighbour = scope.writable(name, database)
    item = scope.own_item(neighbour, alias)
    return f"DELETE FROM {_aliased(neighbour, item, scope)}{_where(node, within(scope.frame, item), scope)}"


def _aliased(neighbour: Neighbour, item: Item, scope: TriggerScope) -> str:
    return f"{qualified(scope.world.schema, neighbour.plan.name)} AS {item.relation.target}"


def _where(node: Any, frame: Frame, scope: TriggerScope) -> str:
    where = node.args.get("where")
    return f" WHERE {scope.query.condition(resolve(where.this, frame), frame).sql}" if where is not None else ""


def _refuse(node: Any, known: set[str]) -> None:
    unknown = [name for name, value in node.args.items() if value and name not in known]
    if unknown:
        msg = f"{node.key.upper()} with {unknown[0].strip('_').upper()} has no translation"
        raise UntranslatableError(msg)


def assignments(nodes: Sequence[Any], neighbour: Neighbour, frame: Frame, scope: TriggerScope) -> str:
    """Translate what SET assigns."""
    return ", ".join(part for node in nodes for part in _assigned(node, neighbour, frame, scope))


def _assigned(node: Any, neighbour: Neighbour, frame: Frame, scope: TriggerScope) -> list[str]:
    if not isinstance(node, exp.EQ):
        msg = f"SET {node.sql(dialect='sqlite')} has no translation"
        raise UntranslatableError(msg)
    if not isinstance(node.this, exp.Tuple | exp.Paren):
        return [_one(node.this, node.expression, neighbour, frame, scope)]
    targets = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this.this]
    values = node.expression
    if isinstance(values, exp.Tuple) and len(values.expressions) == len(targets):
        pairs = zip(targets, values.expressions, strict=True)
        return [_one(target, value, neighbour, frame, scope) for target, value in pairs]
    if not isinstance(values, exp.Subquery):
        msg = f"SET {node.sql(dialect='sqlite')} has no translation"
        raise UntranslatableError(msg)
    columns = [column_of(neighbour, scope.world.schema, target.name) for target in targets]
    rendered = scope.query.translate(values, frame, [column.type for column in columns])
    return [f"({', '.join(quote(column.name) for column in columns)}) = ({rendered.sql})"]


def _one(target: Any, value: Any, neighbour: Neighbour, frame: Frame, scope: TriggerScope) -> str:
    column = column_of(neighbour, scope.world.schema, target.name)
    (sql,) = scope.query.typed([resolve(value, frame)], [column.type], frame)
    return f"{quote(column.name)} = {sql}"


def written_table(node: Any) -> str:
    """The folded name of the table that a statement changes; empty for one that changes none."""
    if isinstance(node, exp.Insert):
        table = node.this.this if isinstance(node.this, exp.Schema) else node.this
        return fold(table.name)
    return fold(node.this.name) if isinstance(node, exp.Update | exp.Delete) else ""
