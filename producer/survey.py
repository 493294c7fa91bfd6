"""What the source holds: the tables that were asked for, every other object, and a profile of the real values."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from producer.chunk_plan import head_rows, plan_chunks, rows_per_chunk, tail_step
from shared.errors import OperatorError
from shared.records.keys import OPEN, Bound, KeyRange, NullKeys
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


def chunks_of(
    reader: SourceReader, plan: TablePlan, chunk_bytes: int, *, small_tail: bool = False
) -> Iterator[PlannedChunk]:
    """Yield the chunks of one table, walking its keys as it goes; the last ones smaller where that is asked for.

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
    elif small_tail and rows > 0:
        yield from _with_small_tail(reader, plan, rows=rows, step=step, nulls=nulls, end=end)
        return
    yield from plan_chunks(
        reader.walk_keys(plan.read.table, key, step=step),
        rows=rows,
        step=step,
        row_bytes=plan.row_bytes,
        null_rows=nulls,
        end=end,
    )


def _with_small_tail(
    reader: SourceReader, plan: TablePlan, *, rows: int, step: int, nulls: int, end: Bound
) -> Iterator[PlannedChunk]:
    """Cut all but a table's end into chunks of `step` rows, and that into smaller ones."""
    table, key, size = plan.read.table, plan.read.chunk_key, plan.row_bytes
    head = head_rows(rows, step)
    begin: Bound = OPEN
    # One row more than the head stands for the tail: its chunk says where that begins.
    wanted = reader.walk_keys(table, key, step=step)
    for chunk in plan_chunks(wanted, rows=head + 1, step=step, row_bytes=size, null_rows=nulls, end=end):
        if isinstance(chunk.key_range, KeyRange) and chunk.key_range.upper is end:
            begin = chunk.key_range.lower
        else:
            yield chunk
    small = tail_step(step)
    keys = reader.walk_keys(table, key, step=small, within=KeyRange(lower=begin, upper=end))
    yield from plan_chunks(keys, rows=rows - head, step=small, row_bytes=size, begin=begin, end=end)


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
