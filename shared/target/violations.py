"""Rows that a constraint does not hold for: how many there are, and one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from shared.quoting import qualified, quote
from shared.records.plan import CheckPlan, ForeignKeyPlan, TablePlan
from shared.target.statements import judged, run

_LONGEST_KEY: Final = 80
"""Characters of a key that are shown."""


def orphans(connection: Connection, plan: TablePlan, key: ForeignKeyPlan) -> str:
    """Say how many rows have no parent and which is the first; empty where that cannot be asked or there is none.

    As PostgreSQL's MATCH SIMPLE, and as SQLite: a row with NULL in any column of the key needs no parent.
    """
    pairs = list(zip(key.parent_columns, key.columns, strict=True))
    named = " AND ".join(f"child.{quote(name)} IS NOT NULL" for name in key.columns)
    joined = " AND ".join(f"parent.{quote(theirs)} = child.{quote(ours)}" for theirs, ours in pairs)
    parent = qualified(plan.schema, key.parent)
    found = f"{named} AND NOT EXISTS (SELECT FROM {parent} AS parent WHERE {joined})"
    rows = _rows(connection, plan, found, or_by=key.columns)
    if rows is None:
        return ""
    count, first = rows
    have = "row of {} has" if count == 1 else "rows of {} have"
    return f"{count:,} {have.format(plan.name)} no parent in {key.parent} (first: {first})"


def violations(connection: Connection, plan: TablePlan, check: CheckPlan) -> str:
    """Say how many rows a CHECK is false for and which is the first; empty where that cannot be asked."""
    rows = _rows(connection, plan, f"NOT ({check.sql})", or_by=())
    if rows is None:
        return ""
    count, first = rows
    violate = "row violates" if count == 1 else "rows violate"
    return f"{count:,} {violate} it" + (f" (first: {first})" if first else "")


def _rows(connection: Connection, plan: TablePlan, where: str, *, or_by: Sequence[str]) -> tuple[int, str] | None:
    """Count rows and name the first by the table's key, or by other columns where it has none."""
    table = f"{qualified(plan.schema, plan.name)} AS child"
    names = plan.match_key or (plan.primary_key.columns if plan.primary_key else ()) or tuple(or_by)
    try:
        with connection.begin_nested():
            count = int(run(connection, f"SELECT count(*) FROM {table} WHERE {where}").scalar_one())
            if not count or not names:
                return (count, "") if count else None
            texts = ", ".join(f"child.{quote(name)}::text" for name in names)
            order = ", ".join(f"child.{quote(name)}" for name in names)
            first = run(connection, f"SELECT {texts} FROM {table} WHERE {where} ORDER BY {order} LIMIT 1").one()
    except DBAPIError as error:
        judged(error, f"counting rows of table {plan.name}")  # raises where it says nothing of the question
        return None
    return count, ", ".join(f"{name} {_shown(value)}" for name, value in zip(names, first, strict=True))


def _shown(value: str | None) -> str:
    if value is None:
        return "NULL"
    line = " ".join(value.split())
    return line if len(line) <= _LONGEST_KEY else line[: _LONGEST_KEY - 1] + "…"
