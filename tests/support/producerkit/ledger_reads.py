"""What stands in the ledger, by plain SQL."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2


def ledger_rows(url: str, query: str, *, commit: bool = False) -> list[tuple[Any, ...]]:
    """Run a query on the target; with `commit`, what it changes stays."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        found = cursor.fetchall()
        if commit:
            connection.commit()
        return found


def chunk_ids(url: str, table: str) -> list[int]:
    """The ids of a table's chunks in the latest job, in key order."""
    query = f"""
        SELECT c.id FROM pgconvoy.chunks c JOIN pgconvoy.tables t ON t.id = c.table_id
         WHERE t.source_name = '{table}' AND t.job_id = (SELECT max(id) FROM pgconvoy.jobs) ORDER BY c.number
    """
    return [row[0] for row in ledger_rows(url, query)]
