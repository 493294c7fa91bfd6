"""Alembic's entry: runs on the connection that `shared.ledger.upgrade` hands over, in its transaction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from shared.ledger.tables import SCHEMA, metadata

connection: sa.Connection = context.config.attributes["connection"]
# Looked for first: CREATE SCHEMA IF NOT EXISTS asks for the right to make one even where it is there.
if not sa.inspect(connection).has_schema(SCHEMA):
    connection.execute(sa.schema.CreateSchema(SCHEMA))
context.configure(connection=connection, target_metadata=metadata, version_table_schema=SCHEMA, include_schemas=True)
context.run_migrations()
