"""DuckDB: ``INSERT … SELECT`` from SQLite through its PostgreSQL extension, into the same typed tables.

Both extensions come as packages, with the file that DuckDB loads inside. It runs in a process of its own; its start
and loading the extensions are no part of the time. Keys and indexes are built after the rows, in one session.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.peers.bare_copy import build
from benchmarks.server import address, run_sql
from shared.quoting import quote, quote_text
from shared.records.plan import TablePlan
from shared.target import ddl

_EXTENSIONS = ("sqlite_scanner", "postgres_scanner")


def available() -> str | None:
    """Why it is skipped; None where it is there."""
    wanted = ("duckdb", *(f"duckdb_extension_{name}" for name in _EXTENSIONS))
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    return f"{', '.join(missing)} is not installed (pip install 'pgconvoy[bench]')" if missing else None


def version() -> str:
    """Its version."""
    return importlib.metadata.version("duckdb")


def load(source: Path, url: str, plans: Sequence[TablePlan]) -> float:
    """Make the tables, insert the rows and build the keys; returns the seconds of inserting and building."""
    run_sql(url, *(ddl.create_table(plan) for plan in plans))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_load, str(source), url, list(plans)).result()


def _load(source: str, url: str, plans: list[TablePlan]) -> float:
    connection = _connection(source, url)
    begin = time.perf_counter()
    for plan in plans:
        connection.execute(_insert(connection, plan))
    build(plans, lambda statement: run_sql(url, statement))
    return time.perf_counter() - begin


def _connection(source: str, url: str) -> Any:
    import duckdb  # noqa: PLC0415 - an extra

    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    for name in _EXTENSIONS:
        folder = files(f"duckdb_extension_{name}") / "extensions" / f"v{duckdb.__version__}"
        connection.execute(f"LOAD {quote_text(str(folder / f'{name}.duckdb_extension'))}")
    sockets, database = address(url)
    connection.execute(f"ATTACH {quote_text(source)} AS source (TYPE sqlite, READ_ONLY)")
    target = f"dbname={database} user=postgres host='{sockets}'"
    connection.execute(f"ATTACH {quote_text(target)} AS target (TYPE postgres)")
    return connection


def _insert(connection: Any, plan: TablePlan) -> str:
    """Cast each value to what DuckDB takes the target's column for."""
    types = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns()"
        " WHERE database_name = 'target' AND schema_name = ? AND table_name = ?",
        (plan.schema, plan.name),
    ).fetchall()
    by_name = dict(types)
    columns = [column for column in plan.columns if column.generated is None]
    names = ", ".join(quote(column.name) for column in columns)
    values = ", ".join(f"CAST({quote(column.source)} AS {by_name[column.name]})" for column in columns)
    table = f"target.{quote(plan.schema)}.{quote(plan.name)}"
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM source.{quote(plan.read.table)}"
