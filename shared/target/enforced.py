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
_PART_OF: Final = text("""
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhparent
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE i.inhrelid = :oid ORDER BY i.inhseqno LIMIT 1
""")
_EXTRAS: Final = text("""
    SELECT 'row level security' FROM pg_catalog.pg_class WHERE oid = :oid AND relrowsecurity
    UNION ALL (SELECT 'the row security policy ' || pg_catalog.quote_ident(polname)
               FROM pg_catalog.pg_policy WHERE polrelid = :oid ORDER BY polname)
    UNION ALL (SELECT 'the rule ' || pg_catalog.quote_ident(rulename)
               FROM pg_catalog.pg_rewrite WHERE ev_class = :oid ORDER BY rulename)
    UNION ALL (SELECT 'the place in the publication ' || pg_catalog.quote_ident(p.pubname)
               FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
               WHERE r.prrelid = :oid ORDER BY p.pubname)
    UNION ALL (SELECT 'the extended statistics ' || pg_catalog.quote_ident(stxname)
               FROM pg_catalog.pg_statistic_ext WHERE stxrelid = :oid ORDER BY stxname)
    UNION ALL (SELECT 'the partition ' || i.inhrelid::regclass
               FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhparent
               WHERE i.inhparent = :oid AND c.relkind = 'p' ORDER BY i.inhrelid::regclass::text)
""")
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


def read_part_of(connection: Connection, table: int) -> str | None:
    """Name the table that one, by its oid, is a partition or a child of."""
    parent: str | None = connection.execute(_PART_OF, {"oid": table}).scalar_one_or_none()
    return parent


def read_extras(connection: Connection, table: int) -> tuple[str, ...]:
    """Say what of a table, by its oid, is dropped with it and never made by a job."""
    return tuple(connection.execute(_EXTRAS, {"oid": table}).scalars())


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
