"""New tables that take the place of old ones: built in a staging schema, moved over in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, text

from shared.records.plan import BuildPhase, ObjectPlan, TablePlan
from shared.target import ddl
from shared.target.statements import Refusal, attempt

_RELATIONS: Final = text("""
    SELECT relname FROM pg_catalog.pg_class
     WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :schema)
       AND relkind::text = ANY (CAST(:kinds AS text[])) AND relname = ANY (CAST(:names AS text[]))
""")
_TABLES: Final = ["r", "p", "f"]
_VIEWS: Final = ["v"]


def staging_schema(job_id: int) -> str:
    """Name the schema that a job's new tables stand in until they take their places."""
    return f"pgconvoy_job_{job_id}"


def standing(connection: Connection, schema: str, plans: Sequence[TablePlan]) -> frozenset[str]:
    """Which of the planned tables' names a table in the schema has already."""
    return _relations(connection, schema, [plan.name for plan in plans], _TABLES)


def drop_statements(
    connection: Connection, plans: Sequence[TablePlan], objects: Sequence[ObjectPlan], schema: str
) -> list[str]:
    """Render what takes the old tables away whose names planned ones have.

    Views of the job's that an earlier job made go with them; the job makes them again. All else that depends on an old
    table is not ours to drop: PostgreSQL refuses then and names it.
    """
    old = [replace(plan, schema=schema) for plan in plans]
    views = _relations(connection, schema, [each.name for each in objects if each.phase is BuildPhase.AFTER], _VIEWS)
    return [*([ddl.drop_views(schema, sorted(views))] if views else []), ddl.drop_tables(old)]


def swap(
    connection: Connection, plans: Sequence[TablePlan], objects: Sequence[ObjectPlan], schema: str
) -> Refusal | None:
    """Put new tables, which stand in a staging schema, into the places of old ones, in the caller's transaction.

    Returns:
        What PostgreSQL said against it, or None.

    Raises:
        ConvoyError: where somebody holds an old table for too long; trying again may help.
    """
    statements = [
        *drop_statements(connection, plans, objects, schema),
        *(ddl.move_table(plan, schema) for plan in plans),
        *(ddl.drop_schema(name) for name in sorted({plan.schema for plan in plans})),
    ]
    return attempt(connection, statements, f"putting the new tables into the schema {schema}")


def _relations(connection: Connection, schema: str, names: Sequence[str], kinds: Sequence[str]) -> frozenset[str]:
    found = connection.execute(_RELATIONS, {"schema": schema, "names": list(names), "kinds": list(kinds)})
    return frozenset(found.scalars())
