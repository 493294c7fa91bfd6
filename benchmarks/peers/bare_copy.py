"""What PostgreSQL itself can take: binary COPY of prepared files, in as many streams as pgconvoy has workers.

The files are written by COPY TO from a table that pgconvoy filled, each table cut into as many parts as there are
streams, and are no part of the time. The tables are made by the same statements, bare; keys and indexes are built
after the rows, in as many sessions, largest table first.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from benchmarks.copying import ready_processes
from benchmarks.server import one, run_sql
from shared.quoting import quote_list
from shared.records.plan import TablePlan
from shared.target import ddl

_BUFFER = 256 * 1024
"""Bytes that are handed to libpq at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Tables and their files."""

    plans: tuple[TablePlan, ...]
    """Largest first."""
    folder: Path
    streams: int

    def part(self, plan: TablePlan, stream: int) -> Path:
        """The file that one stream copies into one table."""
        return self.folder / f"{plan.name}.{stream}.copy"


def prepare(url: str, plans: Sequence[TablePlan], folder: Path, *, streams: int) -> Prepared:
    """Write the files from tables that are filled."""
    folder.mkdir(parents=True, exist_ok=True)
    prepared = Prepared(plans=tuple(plans), folder=folder, streams=streams)
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for plan in plans:
            for stream, question in enumerate(_parts(url, plan, streams)):
                with prepared.part(plan, stream).open("wb") as file:
                    cursor.copy_expert(f"COPY ({question}) TO STDOUT (FORMAT binary)", file, _BUFFER)
    return prepared


def _parts(url: str, plan: TablePlan, streams: int) -> Iterator[str]:
    """Cut a table by its pages, which is the order that its rows came in."""
    name = ddl.table_name(plan)
    pages = int(str(one(url, f"SELECT pg_relation_size('{name}') / current_setting('block_size')::int")))
    for stream in range(streams):
        first, end = pages * stream // streams, pages * (stream + 1) // streams
        yield f"SELECT {_columns(plan)} FROM {name} WHERE ctid >= '({first},0)' AND ctid < '({end},0)'"


def _columns(plan: TablePlan) -> str:
    return quote_list([column.name for column in plan.columns if column.generated is None])


def load(prepared: Prepared, url: str) -> float:
    """Make the tables, copy the files and build the keys; returns the seconds of copying and building."""
    run_sql(url, *(ddl.create_table(plan) for plan in prepared.plans))
    with ready_processes(prepared.streams) as pool:
        begin = time.perf_counter()
        list(pool.map(functools.partial(_copy_stream, prepared, url), range(prepared.streams)))
        list(pool.map(functools.partial(run_sql, url), _builds(prepared.plans)))
        return time.perf_counter() - begin


def _copy_stream(prepared: Prepared, url: str, stream: int) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        for plan in prepared.plans:
            with prepared.part(plan, stream).open("rb") as file:
                command = f"COPY {ddl.table_name(plan)} ({_columns(plan)}) FROM STDIN (FORMAT binary)"
                cursor.copy_expert(command, file, _BUFFER)
            connection.commit()


def _builds(plans: Sequence[TablePlan]) -> list[str]:
    return [statement for plan in plans for statement in ddl.build_keys(plan)]


def build(plans: Sequence[TablePlan], run: Callable[[str], None]) -> None:
    """Build all keys and indexes of these tables, one after the other."""
    for statement in _builds(plans):
        run(statement)
