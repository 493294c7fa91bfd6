"""What stands in the ledger, by plain SQL."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2


def ledger_rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """Run a query on the target."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def chunk_ids(url: str, table: str) -> list[int]:
    """The ids of a table's chunks in the latest job, in key order."""
    query = f"""
        SELECT c.id FROM pgconvoy.chunks c JOIN pgconvoy.tables t ON t.id = c.table_id
         WHERE t.source_name = '{table}' AND t.job_id = (SELECT max(id) FROM pgconvoy.jobs) ORDER BY c.number
    """
    return [row[0] for row in ledger_rows(url, query)]
