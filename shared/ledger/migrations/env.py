"""Alembic's entry: runs on the connection that `shared.ledger.upgrade` hands over, in its transaction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from shared.ledger.tables import SCHEMA, metadata

connection: sa.Connection = context.config.attributes["connection"]
connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
context.configure(connection=connection, target_metadata=metadata, version_table_schema=SCHEMA, include_schemas=True)
context.run_migrations()
