"""What an INSERT of a trigger's body does where a key is there already: OR IGNORE, OR REPLACE, ON CONFLICT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlglot import exp

from shared.quoting import quote
from shared.schema.dialect.scope import Named, UntranslatableError
from shared.schema.foreign_keys import Neighbour
from shared.schema.queries.frames import Frame, Item, resolve
from shared.schema.triggers.scope import TriggerScope, column_of, excluded_frame

_PLAIN: Final = frozenset({"", "ABORT", "FAIL", "ROLLBACK"})
Assign = Callable[[Sequence[Any], Neighbour, Frame, TriggerScope], str]


def on_conflict(
    node: Any, neighbour: Neighbour, item: Item, columns: Sequence[Named], scope: TriggerScope, assign: Assign
) -> str:
    """Render the ON CONFLICT of an INSERT, with a space before it; empty where it has none.

    Raises:
        UntranslatableError: where it is not clear which key is meant.
    """
    clause = node.args.get("conflict")
    if clause is not None:
        return _upsert(clause, neighbour, item, scope, assign)
    word = str(node.args.get("alternative") or "").upper()
    if word == "IGNORE":
        return _ignore(neighbour, scope)
    if word == "REPLACE":
        return _replace(neighbour, columns, scope)
    if word not in _PLAIN:
        msg = f"INSERT OR {word} has no translation"
        raise UntranslatableError(msg)
    return ""


def _ignore(neighbour: Neighbour, scope: TriggerScope) -> str:
    identities = {column.name for column in neighbour.plan.columns if column.identity}
    if any(column.not_null and column.name not in identities for column in neighbour.plan.columns):
        scope.notes.doubt("INSERT OR IGNORE passes by a key that is there, and not by a NULL that may not be")
    return " ON CONFLICT DO NOTHING"


def _keys(neighbour: Neighbour) -> list[tuple[str, ...]]:
    plan = neighbour.plan
    keys = [key.columns for key in (*([plan.primary_key] if plan.primary_key else []), *plan.unique_keys)]
    return keys + [index.columns for index in plan.indexes if index.unique and index.columns and index.where is None]


def _replace(neighbour: Neighbour, columns: Sequence[Named], scope: TriggerScope) -> str:
    plan = neighbour.plan
    keys = _keys(neighbour)
    others = [index for index in plan.indexes if index.unique and (index.terms or index.where is not None)]
    given = {column.name for column in columns}
    meant = [key for key in keys if set(key) <= given]
    if not keys and not others:
        return ""
    identities = {column.name for column in plan.columns if column.identity}
    possible = [key for key in keys if not set(key) <= identities or set(key) <= given]
    if others or len(meant) != 1 or len(possible) != 1:
        msg = f"INSERT OR REPLACE into {neighbour.draft.table.name} may meet several keys, and ON CONFLICT takes one"
        raise UntranslatableError(msg)
    (key,) = meant
    scope.notes.doubt("INSERT OR REPLACE updates the row that is there, where SQLite deletes it and inserts another")
    changes = [
        f"{quote(column.name)} = " + (f"excluded.{quote(column.name)}" if column.name in given else "DEFAULT")
        for column in plan.columns
        if column.name not in key and column.generated is None
    ]
    action = f"UPDATE SET {', '.join(changes)}" if changes else "NOTHING"
    return f" ON CONFLICT ({', '.join(quote(name) for name in key)}) DO {action}"


def _upsert(clause: Any, neighbour: Neighbour, item: Item, scope: TriggerScope, assign: Assign) -> str:
    action = str(clause.args["action"].name).upper()
    target = _target(clause, neighbour, scope)
    if action == "DO NOTHING":
        return f" ON CONFLICT{target} DO NOTHING"
    if not target:
        msg = "ON CONFLICT DO UPDATE names no key, and PostgreSQL needs one"
        raise UntranslatableError(msg)
    frame = excluded_frame(neighbour, scope.world.schema, scope.frame, item)
    changes = assign(clause.expressions, neighbour, frame, scope)
    where = clause.args.get("where")
    condition = "" if where is None else f" WHERE {scope.query.condition(resolve(where.this, frame), frame).sql}"
    return f" ON CONFLICT{target} DO UPDATE SET {changes}{condition}"


def _target(clause: Any, neighbour: Neighbour, scope: TriggerScope) -> str:
    if clause.args.get("index_predicate") is not None:
        msg = "ON CONFLICT with the condition of a partial index has no translation"
        raise UntranslatableError(msg)
    nodes = [each.this if isinstance(each, exp.Ordered) else each for each in clause.args.get("conflict_keys") or ()]
    if not nodes:
        return ""
    names = [column_of(neighbour, scope.world.schema, node.name).name for node in nodes]
    if not any(set(names) == set(key) for key in _keys(neighbour)):
        msg = f"ON CONFLICT ({', '.join(names)}) is no key of {neighbour.plan.name} in the target"
        raise UntranslatableError(msg)
    return f" ({', '.join(quote(name) for name in names)})"
