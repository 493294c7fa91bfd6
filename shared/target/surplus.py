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
    columns = [next(each for each in plan.columns if each.name == name) for name in plan.match_key]
    literals = ", ".join(_literal(columns, key) for key in keys)
    if not literals:
        return 0
    table = qualified(plan.schema, plan.name)
    names = ", ".join(f"t.{quote(column.name)}" for column in columns)
    conditions = [f"({names}) IN ({literals})", *_unreferred(connection, table)]
    return int(run(connection, f"DELETE FROM {table} AS t WHERE {' AND '.join(conditions)}").rowcount)


def _literal(columns: Sequence[TargetColumn], key: Sequence[Value]) -> str:
    texts = [adapter_of(column)(value) for column, value in zip(columns, key, strict=True)]
    return "(" + ", ".join("NULL" if each is None else quote_text(each) for each in texts) + ")"


def _unreferred(connection: Connection, table: str) -> Iterable[str]:
    oid = connection.execute(text("SELECT pg_catalog.to_regclass(:name)::oid::bigint"), {"name": table}).scalar_one()
    for key in keys_to(connection, [int(oid)]):
        yield f"NOT EXISTS (SELECT FROM {key.children} AS child WHERE {key.joins('child', 't')})"
