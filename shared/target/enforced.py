"""What PostgreSQL enforces and fires while rows come into a table that was there before, from its catalogs."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, text

from shared.records.plan import SetAsideKey, SetAsideTrigger

# A key of a partitioned table is passed over: until version 18 it cannot come back NOT VALID
# (https://www.postgresql.org/docs/current/sql-altertable.html); so is one that a partition has from its table.
_FOREIGN_KEYS: Final = text("""
    SELECT k.conname, pg_catalog.pg_get_constraintdef(k.oid) AS definition, k.convalidated, parent.relname AS parent,
           pg_catalog.obj_description(k.oid, 'pg_constraint') AS comment,
           (SELECT array_agg(a.attname::text ORDER BY n.place)
            FROM unnest(k.conkey) WITH ORDINALITY AS n (number, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n.number) AS columns,
           (SELECT array_agg(a.attname::text ORDER BY n.place)
            FROM unnest(k.confkey) WITH ORDINALITY AS n (number, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = n.number) AS parent_columns
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class child ON child.oid = k.conrelid
    JOIN pg_catalog.pg_class parent ON parent.oid = k.confrelid
    WHERE k.conrelid = :oid AND k.contype = 'f' AND k.conparentid = 0
      AND child.relkind = 'r' AND parent.relnamespace = child.relnamespace
    ORDER BY k.conname
""")
_TRIGGERS: Final = text("""
    SELECT t.tgname, t.tgenabled::text AS mode
    FROM pg_catalog.pg_trigger t
    WHERE t.tgrelid = :oid AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled IN ('O', 'A')
    ORDER BY t.tgname
""")
"""Those that are disabled, or fire on replicas alone, stay as they are."""
_NOT_VALID: Final = " NOT VALID"
_NOT_ENFORCED: Final = " NOT ENFORCED"
"""PostgreSQL 18 keeps such keys as a note."""


def read_foreign_keys(connection: Connection, table: int) -> tuple[SetAsideKey, ...]:
    """Read the foreign keys of a table, by its oid, that refer to tables of its schema and are enforced.

    Definitions name every table with its schema as long as the session's search_path is pg_catalog alone.
    """
    found = connection.execute(_FOREIGN_KEYS, {"oid": table})
    return tuple(_key(row) for row in found if _NOT_ENFORCED not in row.definition)


def read_triggers(connection: Connection, table: int) -> tuple[SetAsideTrigger, ...]:
    """Read the triggers of a table, by its oid, that fire for ordinary sessions."""
    found = connection.execute(_TRIGGERS, {"oid": table})
    return tuple(SetAsideTrigger(name=row.tgname, always=row.mode == "A") for row in found)


def _key(row: Any) -> SetAsideKey:
    return SetAsideKey(
        name=row.conname,
        definition=row.definition.removesuffix(_NOT_VALID),
        columns=tuple(row.columns),
        parent=row.parent,
        parent_columns=tuple(row.parent_columns),
        validated=row.convalidated,
        comment=row.comment,
    )
