"""Rows of a table that its source does not have: removed by their keys, but for those that other rows refer to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, text

from shared.quoting import qualified, quote, quote_text
from shared.records.keys import Value
from shared.records.plan import TablePlan, TargetColumn
from shared.target.convert_values import adapter_of
from shared.target.statements import run

_REFERRING: Final = text("""
    SELECT k.conrelid::regclass::text AS child,
           (SELECT array_agg(a.attname::text ORDER BY c.place)
              FROM unnest(k.conkey) WITH ORDINALITY c (number, place)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number) AS columns,
           (SELECT array_agg(a.attname::text ORDER BY c.place)
              FROM unnest(k.confkey) WITH ORDINALITY c (number, place)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.number) AS parents
      FROM pg_catalog.pg_constraint k
     WHERE k.contype = 'f' AND k.confrelid = pg_catalog.to_regclass(:table) AND k.conparentid = 0
""")


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
    for child, columns, parents in connection.execute(_REFERRING, {"table": table}):
        pairs = zip(columns, parents, strict=True)
        joined = " AND ".join(f"child.{quote(ours)} = t.{quote(theirs)}" for ours, theirs in pairs)
        yield f"NOT EXISTS (SELECT FROM {child} AS child WHERE {joined})"
