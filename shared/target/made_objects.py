"""The views, functions, collations, extensions and schemas of a target, to tell what is there that was not before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, text

from shared.records.way_back import MadeObject

_FOUND: Final = text("""
    WITH place AS (
        SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname = ANY (CAST(:schemas AS text[]))
    )
    SELECT 'view' AS kind, c.oid::bigint AS oid, c.relname::text AS word,
           pg_catalog.format('%I.%I', p.nspname, c.relname) AS name,
           pg_catalog.md5(pg_catalog.pg_get_viewdef(c.oid)) AS definition
      FROM pg_catalog.pg_class c JOIN place p ON p.oid = c.relnamespace WHERE c.relkind = 'v'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'function', f.oid::bigint, f.proname::text,
           pg_catalog.format('%I.%I(%s)', p.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)),
           pg_catalog.md5(pg_catalog.pg_get_functiondef(f.oid))
      FROM pg_catalog.pg_proc f JOIN place p ON p.oid = f.pronamespace WHERE f.prokind = 'f'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = f.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'collation', c.oid::bigint, c.collname::text, pg_catalog.format('%I.%I', p.nspname, c.collname), ''
      FROM pg_catalog.pg_collation c JOIN place p ON p.oid = c.collnamespace
    UNION ALL
    SELECT 'extension', e.oid::bigint, e.extname::text, pg_catalog.quote_ident(e.extname), ''
      FROM pg_catalog.pg_extension e
    UNION ALL
    SELECT 'schema', p.oid::bigint, p.nspname::text, pg_catalog.quote_ident(p.nspname), '' FROM place p
""")


_STANDS: Final = text("""
    SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = :schema AND c.relname = :name AND c.relkind = 'v')
        OR EXISTS (SELECT FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = :schema AND g.tgname = :name AND NOT g.tgisinternal)
""")


def stands(connection: Connection, schema: str, name: str) -> bool:
    """Whether a schema has a view, or one of its tables a trigger, of this name."""
    return bool(connection.execute(_STANDS, {"schema": schema, "name": name}).scalar())


def objects_in(connection: Connection, schemas: Iterable[str]) -> dict[MadeObject, str]:
    """List what is in some schemas, those that are there among them, each with its bare name.

    Leaves the transaction with a search_path of pg_catalog alone, under which definitions name everything in full.
    """
    connection.execute(text("SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)"))
    rows = connection.execute(_FOUND, {"schemas": list(schemas)})
    return {MadeObject(kind=row.kind, oid=row.oid, name=row.name, definition=row.definition): row.word for row in rows}
