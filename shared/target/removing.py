"""Tables that a job made: whether they hold what it wrote and nothing else, and what takes them away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from shared.quoting import quote
from shared.records.plan import TablePlan
from shared.records.way_back import MadeObject
from shared.target.enforced import read_extras
from shared.target.restoring import MOST_KEYS, Place, named_key
from shared.target.statements import Refusal, attempt, run
from shared.target.undo import columns_of, row_text

_XIDS: Final = 2**32
_ATTACHED: Final = text("""
    SELECT 'index ' || c.relname AS what, c.relname AS name
      FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid = CAST(:oid AS oid)
    UNION ALL
    SELECT 'constraint ' || k.conname, k.conname FROM pg_catalog.pg_constraint k
     WHERE k.conrelid = CAST(:oid AS oid) AND k.contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL
    SELECT 'trigger ' || t.tgname, t.tgname FROM pg_catalog.pg_trigger t
     WHERE t.tgrelid = CAST(:oid AS oid) AND NOT t.tgisinternal
    UNION ALL
    SELECT 'column ' || a.attname, a.attname FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = CAST(:oid AS oid) AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (:columns)
    ORDER BY 1
""")
_DROPPED: Final = ("view", "table", "function", "collation", "schema")
"""Kinds in the order in which they go: what a later one needs is gone by then. Triggers go with their tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of a table that a job made."""

    all: int
    younger: int
    """Those that came, or were changed, after all rows of the job had arrived."""
    keys: tuple[str, ...] = ()
    """The first of the younger ones."""


def rows_of(connection: Connection, plan: TablePlan, place: Place, settled_xid: int | None, *, table: int) -> Rows:
    """Count a table's rows; without the number of a transaction, none can be told to be younger.

    A row that is as a repair of the job left it counts among the job's.

    Args:
        connection: A transaction.
        plan: The table.
        place: Where it is.
        settled_xid: The transaction after which all rows of the job had arrived.
        table: The table's id in the ledger, as which the job made it.
    """
    if settled_xid is None:
        return Rows(all=int(run(connection, f"SELECT count(*) FROM ONLY {place.sql}").scalar_one()), younger=0)
    younger = _younger(settled_xid)
    counts = run(connection, f"SELECT count(*), count(*) FILTER (WHERE {younger}) FROM ONLY {place.sql} AS h").one()
    if counts[1]:
        younger += f" AND NOT {_is_mended(connection, place, table)}"
        unknown = run(connection, f"SELECT count(*) FROM ONLY {place.sql} AS h WHERE {younger}").scalar_one()
        counts = (counts[0], int(unknown))
    if not counts[1]:
        return Rows(all=counts[0], younger=0)
    key = plan.primary_key.columns if plan.primary_key else plan.match_key
    whole = f"ROW({', '.join(f'h.{quote(column.name)}' for column in plan.columns)})::pg_catalog.text"
    keys = run(
        connection,
        f"SELECT {named_key('h', key, whole)} FROM ONLY {place.sql} AS h WHERE {younger} LIMIT {MOST_KEYS}",
    ).scalars()
    return Rows(all=counts[0], younger=counts[1], keys=tuple(keys))


def _is_mended(connection: Connection, place: Place, table: int) -> str:
    """Say in SQL that a row is, to the byte, as `shared.target.mending` has kept it."""
    text_of = row_text("h", columns_of(connection, place.oid))
    return f"EXISTS (SELECT FROM pgconvoy.undo AS u WHERE u.table_id = {table} AND u.after = {text_of})"


def _younger(settled_xid: int) -> str:
    """PostgreSQL keeps 32 bits of a transaction's number with a row; the half of them above a number is younger."""
    apart = f"(h.xmin::pg_catalog.text::pg_catalog.int8 - {settled_xid % _XIDS} + {_XIDS}) % {_XIDS}"
    return f"{apart} BETWEEN 1 AND {_XIDS // 2 - 1}"


def too_long_ago(connection: Connection, settled_xid: int) -> bool:
    """Whether so many transactions came since that the age of rows cannot be told."""
    now = run(connection, "SELECT pg_catalog.pg_current_xact_id()::text::bigint").scalar_one()
    return int(now) - settled_xid > _XIDS // 4


def attached(connection: Connection, oid: int, plan: TablePlan, objects: Sequence[str]) -> tuple[str, ...]:
    """Name what belongs to a table and was never planned: PostgreSQL would drop it with the table, and ask nobody.

    Args:
        connection: A transaction.
        oid: PostgreSQL's number of the table.
        plan: What the job was to make of it.
        objects: The names of the job's views and triggers.
    """
    ours = {*_names(plan), *objects}
    columns = [*(column.name for column in plan.columns), *(search.column for search in plan.search)]
    found = connection.execute(_ATTACHED, {"oid": oid, "columns": columns})
    return (*(row.what for row in found if row.name not in ours), *read_extras(connection, oid))


def _names(plan: TablePlan) -> Iterator[str]:
    if plan.primary_key is not None:
        yield plan.primary_key.name
    yield from (key.name for key in plan.unique_keys)
    yield from (index.name for index in plan.indexes)
    yield from (key.name for key in plan.foreign_keys)
    yield from (check.name for check in plan.checks)
    for search in plan.search:
        yield search.index


def drop(connection: Connection, places: Sequence[Place], objects: Sequence[MadeObject]) -> Iterator[Refusal]:
    """Drop tables and what belongs to none of them, without CASCADE, in the caller's transaction.

    Yields:
        What PostgreSQL refuses, since something else depends on it.
    """
    names = {kind: [each.name for each in objects if each.kind == kind] for kind in _DROPPED}
    names["table"] = [place.sql for place in places]
    for kind in _DROPPED:
        if not names[kind]:
            continue
        several = [", ".join(names[kind])] if kind != "collation" else names[kind]
        for some in several:
            refused = attempt(connection, f"DROP {kind.upper()} {some}", f"dropping the job's {kind}s")
            if refused is not None:
                yield refused
