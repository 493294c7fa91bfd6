"""What the source holds: the tables that were asked for, every other object, and a profile of the real values."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from producer.chunk_plan import plan_chunks, rows_per_chunk
from shared.errors import OperatorError
from shared.records.keys import OPEN, Bound, NullKeys
from shared.records.plan import ProfileMode, TablePlan
from shared.records.source import ChunkKeyKind, SourceCatalog, SourceTable, TableProfile
from shared.records.work import PlannedChunk
from shared.source.reader import SourceReader

_COUNTING_BATCH_ROWS = 10_000
"""Rows in memory at once while NULL keys are counted."""
_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a survey found."""

    catalog: SourceCatalog
    """The picked tables alone, and all other objects."""
    profiles: Mapping[str, TableProfile]
    """By table name, in the order of the catalog."""


def survey(
    reader: SourceReader,
    tables: Sequence[str],
    exclude: Sequence[str],
    *,
    processes: int,
    mode: ProfileMode = ProfileMode.FULL,
) -> Survey:
    """Check the source for damage, read its schema, and look at the values of the picked tables.

    Args:
        reader: The source.
        tables: Names of the tables to copy; empty: all.
        exclude: Names of tables to leave out.
        processes: How many processes may look at a table at once.
        mode: Whether every value is looked at, or a sample of large tables.

    Raises:
        OperatorError: for a name that is no table of the source.
        SourceError: where the source is damaged.
    """
    catalog = reader.catalog()
    picked = pick_tables(catalog, tables, exclude)
    reader.check()
    return Survey(
        catalog=replace(catalog, tables=picked),
        profiles={table.name: reader.profile(table, processes=processes, mode=mode) for table in picked},
    )


def pick_tables(catalog: SourceCatalog, tables: Sequence[str], exclude: Sequence[str]) -> tuple[SourceTable, ...]:
    """Pick the tables that were asked for, in the catalog's order.

    A name is meant exactly, or whatever its case where only one table has it.

    Raises:
        OperatorError: for a name that is no table; it says what the name is, or what comes close.
    """
    wanted = {_find(catalog, name, "--tables") for name in tables}
    unwanted = {_find(catalog, name, "--exclude") for name in exclude}
    return tuple(
        table for table in catalog.tables if (not tables or table.name in wanted) and table.name not in unwanted
    )


def _find(catalog: SourceCatalog, name: str, option: str) -> str:
    names = [table.name for table in catalog.tables]
    if name in names:
        return name
    alike = [candidate for candidate in names if candidate.casefold() == name.casefold()]
    if len(alike) == 1:
        return alike[0]
    msg = f"{option} names {name!r}, {_finding(catalog, name, names, alike)}"
    raise OperatorError(msg)


def _finding(catalog: SourceCatalog, name: str, names: Sequence[str], alike: Sequence[str]) -> str:
    if alike:
        return f"which could be {_listed(alike)}: write it as the source does"
    for other in catalog.objects:
        if other.name.casefold() == name.casefold():
            owner = f" of {other.table!r}" if other.table else ""
            return f"which is a {other.kind}{owner} and not a table: only ordinary tables are copied"
    close = difflib.get_close_matches(name.casefold(), [n.casefold() for n in names], n=_SUGGESTIONS)
    suggestions = [n for n in names if n.casefold() in close]
    if suggestions:
        return f"but the source has no such table: did you mean {_listed(suggestions)}?"
    return "but the source has no such table: `producer plan` lists them all"


def _listed(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)


def chunks_of(reader: SourceReader, plan: TablePlan, chunk_bytes: int) -> Iterator[PlannedChunk]:
    """Yield the chunks of one table, walking its keys as it goes.

    With a row limit these are the first rows by chunk key, NULL keys before all others.

    Raises:
        OperatorError: for a limit on a table that cannot be cut where the limit is.
    """
    key, limit = plan.read.chunk_key, plan.row_limit
    nulls = _count_null_keys(reader, plan) if key.nullable else 0
    limited = limit is not None and plan.rows >= limit
    if limit is not None and limited and (key.kind is ChunkKeyKind.NONE or nulls > limit):
        refuse_limit(plan, limit, reader.count_rows(plan.read.table))
    rows = plan.rows - nulls
    end: Bound = OPEN
    if limit is not None and limited and rows > 0:
        end = next(reader.walk_keys(plan.read.table, key, step=rows), OPEN)
    step = rows_per_chunk(plan.row_bytes, chunk_bytes)
    if key.kind is ChunkKeyKind.NONE:
        step = max(1, rows)
    yield from plan_chunks(
        reader.walk_keys(plan.read.table, key, step=step),
        rows=rows,
        step=step,
        row_bytes=plan.row_bytes,
        null_rows=nulls,
        end=end,
    )


def refuse_limit(plan: TablePlan, limit: int, rows: int) -> None:
    """Refuse a limit that would have to cut where a table has no key.

    Raises:
        OperatorError: unless the limit takes in all rows anyway.
    """
    if rows > limit:
        msg = (
            f"--limit {limit} cannot be kept for table {plan.read.table!r}: its {rows:,} rows have no key that puts "
            "them in an order; leave it out with --exclude, or copy it whole"
        )
        raise OperatorError(msg)


def _count_null_keys(reader: SourceReader, plan: TablePlan) -> int:
    if not reader.has_null_keys(plan.read.table, plan.read.chunk_key):
        return 0
    keys_alone = replace(plan.read, columns=())
    batches = reader.read_rows(keys_alone, NullKeys(), batch_rows=_COUNTING_BATCH_ROWS)
    return sum(len(batch) for batch in batches)
