"""What the target's server can do, as far as plans depend on it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from shared.records.existing import TargetAbilities

_ABILITIES: Final = text("""
    SELECT current_setting('server_version_num')::integer AS version,
           EXISTS (SELECT FROM pg_catalog.pg_collation WHERE collname = 'und-x-icu') AS icu,
           EXISTS (
               SELECT FROM pg_catalog.pg_available_extension_versions v
                WHERE v.name = 'citext' AND (
                    v.installed
                    OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
                    OR v.trusted AND has_database_privilege(current_database(), 'CREATE'))
           ) AS citext,
           (SELECT n.nspname FROM pg_catalog.pg_extension e
              JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
             WHERE e.extname = 'citext') AS citext_schema
""")
"""A server that was built with ICU knows its collations from the beginning (pg_import_system_collations); the one
named unicode stands in the catalog of any server since 16."""


def read_abilities(connection: Connection) -> TargetAbilities:
    """Ask the server and what the session's role may do there."""
    found = connection.execute(_ABILITIES).one()
    return TargetAbilities(version=found.version, icu=found.icu, citext=found.citext, citext_schema=found.citext_schema)
