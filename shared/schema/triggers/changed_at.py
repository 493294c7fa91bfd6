"""Triggers that only note when a row was changed or made: one function of PostgreSQL serves all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlglot import exp

from shared.schema.clock_forms import JULIAN, MILLISECONDS, SECONDS, form_of
from shared.schema.foreign_keys import Neighbour
from shared.schema.names import fold
from shared.schema.queries.from_clause import conjuncts
from shared.schema.queries.outputs import bare
from shared.schema.triggers.bodies import function_statement
from shared.schema.triggers.source import Event, Timing, TriggerSource

FUNCTION: Final = "set_changed_at"
_ROWIDS: Final = frozenset({"rowid", "oid", "_rowid_"})
_DECLARED: Final = """DECLARE
moment timestamp := statement_timestamp() AT TIME ZONE 'UTC';
value text;
"""
_BODY: Final = f"""FOR place IN 0 .. TG_NARGS - 2 BY 2 LOOP
value := CASE TG_ARGV[place + 1]
WHEN '{SECONDS}' THEN floor(extract(epoch FROM moment))::bigint::text
WHEN '{MILLISECONDS}' THEN floor(extract(epoch FROM moment) * 1000)::bigint::text
WHEN '{JULIAN}' THEN (extract(epoch FROM moment) / 86400 + 2440587.5)::text
ELSE to_char(moment, TG_ARGV[place + 1]) END;
NEW := jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[place], value));
END LOOP;
RETURN NEW;"""


def changed_at_function(function: str) -> str:
    """Make the function that such triggers call: its arguments are pairs of a column and the form of its moment."""
    return function_statement(function, _BODY, _DECLARED)


def stamps_of(trigger: TriggerSource, statements: Sequence[Any], neighbour: Neighbour | None) -> tuple[str, ...] | None:
    """The arguments of the function for a trigger that does nothing else; None for any other trigger."""
    if neighbour is None or trigger.event is Event.DELETE or trigger.timing is Timing.INSTEAD_OF or not statements:
        return None
    if trigger.timing is Timing.BEFORE and trigger.event is Event.INSERT:
        return None  # there is no row yet that it could change
    arguments: list[str] = []
    for statement in statements:
        found = _stamps(trigger, statement, neighbour)
        if found is None:
            return None
        arguments += found
    return tuple(arguments)


def _stamps(trigger: TriggerSource, node: Any, neighbour: Neighbour) -> list[str] | None:
    if not isinstance(node, exp.Update) or fold(node.this.name) != fold(trigger.table):
        return None
    if {name for name, value in node.args.items() if value} != {"this", "expressions", "where"}:
        return None
    if not _is_the_row(node.args["where"].this, trigger, neighbour):
        return None
    arguments: list[str] = []
    for each in node.expressions:
        pair = _stamp(each, neighbour)
        if pair is None:
            return None
        arguments += pair
    return arguments


def _stamp(node: Any, neighbour: Neighbour) -> tuple[str, str] | None:
    if not isinstance(node, exp.EQ) or not isinstance(node.this, exp.Column):
        return None
    columns = {fold(column.source): column for column in neighbour.plan.columns}
    column = columns.get(fold(node.this.name))
    if column is None or column.generated is not None or column.identity:
        return None
    form = form_of(node.expression, column.type.kind)
    return None if form is None else (column.name, form)


def _is_the_row(condition: Any, trigger: TriggerSource, neighbour: Neighbour) -> bool:
    """Whether a condition picks the very row that fired the trigger: its whole key equals NEW's or OLD's."""
    table = neighbour.draft.table
    names: set[str] = set()
    for each in conjuncts(condition):
        name = _own_key(each, trigger)
        if name is None:
            return False
        names.add(name)
    key = {fold(name) for name in table.primary_key}
    rowids = _ROWIDS - {fold(column.name) for column in table.columns}
    by_rowid = len(names) == 1 and names <= rowids and not table.without_rowid
    return by_rowid or (bool(key) and names == key and neighbour.plan.primary_key is not None)


def _own_key(node: Any, trigger: TriggerSource) -> str | None:
    if not isinstance(node, exp.EQ | exp.Is | exp.NullSafeEQ):
        return None
    sides = [bare(node.this), bare(node.expression)]
    if not all(isinstance(side, exp.Column) for side in sides) or fold(sides[0].name) != fold(sides[1].name):
        return None
    tables = sorted(fold(side.table) for side in sides)
    rows = {"new", "old"} if trigger.event is Event.UPDATE else {"new"}
    own = {"", fold(trigger.table)}
    of_row = [table for table in tables if table in rows]
    others = [table for table in tables if table in own]
    return fold(sides[0].name) if len(of_row) == 1 and len(others) == 1 else None
