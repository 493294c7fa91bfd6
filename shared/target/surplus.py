"""Rows of a table that its source does not have: removed by their keys, but for those that other rows refer to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text

from shared.quoting import qualified, quote, quote_text
from shared.records.keys import Value
from shared.records.plan import TablePlan, TargetColumn
from shared.target.convert_values import adapter_of
from shared.target.referring import keys_to
from shared.target.statements import run


def remove_rows(connection: Connection, plan: TablePlan, keys: Iterable[Sequence[Value]]) -> int:
    """Delete rows by the match key, part of the caller's transaction.

    Rows that a foreign key refers to stay, whatever it would do with those that refer: nobody asked to delete them.

    Args:
        connection: In the transaction.
        plan: A table with a match key.
        keys: None of their values is NULL.

    Returns:
        How many rows were deleted.
    """
    named = has_key(plan, "t", keys)
    if named is None:
        return 0
    table = qualified(plan.schema, plan.name)
    conditions = [named, *_unreferred(connection, table)]
    return int(run(connection, f"DELETE FROM {table} AS t WHERE {' AND '.join(conditions)}").rowcount)


def has_key(plan: TablePlan, row: str, keys: Iterable[Sequence[Value]]) -> str | None:
    """Say in SQL that a row has one of some match keys, none of whose values is NULL; None where there are none."""
    columns = [next(each for each in plan.columns if each.name == name) for name in plan.match_key]
    literals = ", ".join(_literal(columns, key) for key in keys)
    names = ", ".join(f"{row}.{quote(column.name)}" for column in columns)
    return f"({names}) IN ({literals})" if literals else None


def _literal(columns: Sequence[TargetColumn], key: Sequence[Value]) -> str:
    texts = [adapter_of(column)(value) for column, value in zip(columns, key, strict=True)]
    return "(" + ", ".join("NULL" if each is None else quote_text(each) for each in texts) + ")"


def _unreferred(connection: Connection, table: str) -> Iterable[str]:
    oid = connection.execute(text("SELECT pg_catalog.to_regclass(:name)::oid::bigint"), {"name": table}).scalar_one()
    for key in keys_to(connection, [int(oid)]):
        yield f"NOT EXISTS (SELECT FROM {key.children} AS child WHERE {key.joins('child', 't')})"
