"""The tables of a plan as Rich renders them: what each becomes, how it is copied, and its columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

from producer.print_status import table_of
from producer.views import PlannedTable, PlanView
from producer.wording import bad, count, counted, one_line, size
from shared.records.plan import TargetColumn

LONG_LIST: Final = 20
"""Tables that are shown unasked: a screen."""
_NUMBERS: Final = frozenset({"rows", "size", "chunks", "expected rejects"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """Columns that say something of this plan; those that would be empty or the same in each line are left out."""

    schema: str
    renames: bool
    finds: bool
    """Some tables are in the target already."""
    rejects: bool

    @property
    def columns(self) -> Iterable[str]:
        """Their headings."""
        yield "table"
        if self.renames:
            yield "becomes"
        yield from ("rows", "size", "chunks")
        if self.finds:
            yield "how"
        if self.rejects:
            yield "expected rejects"
        yield "keys"


def tables_view(plan: PlanView, *, verbose: bool) -> Table:
    """Tables with their rows and keys; of a long list, unless `verbose`, those that a person has to look at."""
    tables = plan.tables
    shape = _Shape(
        schema=plan.target_schema,
        renames=any(table.source != _name(table, plan.target_schema) for table in tables),
        finds=not all(table.creates for table in tables),
        rejects=any(table.expected_rejects or table.possible_rejects for table in tables),
    )
    view = table_of()
    for name in shape.columns:
        view.add_column(name, justify="right" if name in _NUMBERS else "left")
    shown = tables if verbose or len(tables) <= LONG_LIST else _foremost(tables)
    for table in shown:
        view.add_row(*_row(table, shape))
    view.add_row(*_sum(tables, shape))
    return view


def hidden_tables(plan: PlanView, *, verbose: bool) -> str:
    """What `tables_view` left out, in a sentence; empty where it shows all."""
    hidden = len(plan.tables) - LONG_LIST
    if verbose or hidden <= 0:
        return ""
    return f"… and {counted(hidden, 'smaller table')}: --verbose"


def _foremost(tables: Sequence[PlannedTable]) -> Sequence[PlannedTable]:
    """Tables that lose rows or are there already before others, and large before small; in the order of the plan."""

    def weight(table: PlannedTable) -> tuple[bool, bool, int, int]:
        return bool(table.expected_rejects or table.possible_rejects), not table.creates, table.bytes, table.rows

    first = sorted(range(len(tables)), key=lambda place: weight(tables[place]), reverse=True)[:LONG_LIST]
    return [tables[place] for place in sorted(first)]


def _row(table: PlannedTable, shape: _Shape) -> Iterable[str | Text]:
    yield one_line(table.source)
    if shape.renames:
        yield one_line(_name(table, shape.schema))
    yield from (count(table.rows), size(table.bytes), count(table.chunks))
    if shape.finds:
        yield "made, COPY" if table.creates else f"was there, {table.load}"
    if shape.rejects:
        yield _rejects(table.expected_rejects, table.possible_rejects)
    yield _keys(table)


def _sum(tables: Sequence[PlannedTable], shape: _Shape) -> Iterable[str | Text]:
    yield Text(counted(len(tables), "table"), style="bold")
    if shape.renames:
        yield ""
    yield count(sum(table.rows for table in tables))
    yield size(sum(table.bytes for table in tables))
    yield count(sum(table.chunks for table in tables))
    if shape.finds:
        yield ""
    if shape.rejects:
        yield _rejects(sum(t.expected_rejects for t in tables), sum(t.possible_rejects for t in tables))


def _name(table: PlannedTable, schema: str) -> str:
    return table.target.removeprefix(f"{schema}.")


def _rejects(sure: int, perhaps: int) -> Text:
    """``3``, or ``3 to 10`` where the profile cannot tell."""
    return Text(f"{count(sure)} to {count(sure + perhaps)}" if perhaps else bad(sure))


def _keys(table: PlannedTable) -> str:
    parts = ["primary"] if table.primary_key else []
    parts += [f"{table.unique_keys} unique"] if table.unique_keys else []
    parts += [counted(table.indexes, "index", "indexes")] if table.indexes else []
    parts += [f"{table.foreign_keys} foreign"] if table.foreign_keys else []
    return ", ".join(parts)


def columns_view(table: PlannedTable, schema: str, *, verbose: bool) -> Text | Table:
    """A table's columns with their types; with `verbose` a line each, with its default and the reason for its type."""
    name = one_line(_name(table, schema))
    if not verbose:
        columns = ", ".join(f"{one_line(column.name, 40)} {column.type.sql}" for column in table.columns)
        return Text.assemble((name, "bold"), f": {columns}")
    view = table_of(name, "type", "null", "default", "why")
    for column in table.columns:
        null = "NOT NULL" if column.not_null else ""
        default = "identity" if column.identity else one_line(column.default)
        view.add_row(one_line(column.name), column.type.sql, null, default, _why(column))
    return view


def _why(column: TargetColumn) -> str:
    parts = [column.reason]
    if column.expected_rejects:
        parts.append(f"{counted(column.expected_rejects, 'value does', 'values do')} not fit")
    if column.possible_rejects:
        another = "another " if column.expected_rejects else ""
        parts.append(f"{another}{count(column.possible_rejects)} may not fit")
    return one_line("; ".join(parts), 400)
