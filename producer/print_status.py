"""Progress, status, ends and lists of jobs as Rich renders them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from producer.print_times import times_lines
from producer.records import JobProgress, TableLine
from producer.views import JobLine
from producer.wording import count, counted, moment, one_line, pause, percent, phase, rate, size, span, state
from shared.ledger.states import JobState, TableState
from shared.printable import printable

_COLOURS = {
    TableState.COMPLETED: "green",
    TableState.FAILED: "red",
    TableState.CANCELLED: "yellow",
    TableState.COPYING: "cyan",
    TableState.BUILDING: "cyan",
    TableState.VERIFYING: "cyan",
    JobState.COMPLETED_WITH_REJECTS: "yellow",
}
_RUNNING = (TableState.COPYING, TableState.BUILDING, TableState.VERIFYING)
_BAR = 24


def progress_view(progress: JobProgress, *, rows: int) -> Table:
    """One bar for the job, and a line for each table that runs, as many as there is room for."""
    grid = Table.grid(padding=(0, 2))
    for justify in ("left", "left", "right", "right", "right"):
        grid.add_column(justify=justify, no_wrap=True)
    left = f"{span(progress.seconds_left)} left" if progress.seconds_left else span(progress.elapsed_s)
    grid.add_row(
        Text(f"job {progress.job} {phase(progress)}", style="bold"),
        ProgressBar(total=1.0, completed=progress.done, width=_BAR),
        percent(progress.done),
        f"{count(progress.rows)} of {counted(progress.rows_expected, 'row')}",
        f"{rate(progress.bytes_per_s)}  {left}",
    )
    running = [table for table in progress.tables if table.state in _RUNNING]
    for table in running[:rows]:
        grid.add_row(*_running_row(table))
    ended = sum(table.state not in (*_RUNNING, TableState.PENDING) for table in progress.tables)
    if progress.paused_at:
        grid.add_row(Text(f"  {pause(progress)}", style="yellow"), "", "", "", "")
    if progress.throttle:
        grid.add_row(Text(f"  {progress.throttle.said}", style="yellow"), "", "", "", "")
    grid.add_row(Text(f"{ended} of {counted(len(progress.tables), 'table')} done", style="dim"), "", "", "", "")
    return grid


def _running_row(table: TableLine) -> Iterable[RenderableType]:
    whole, done = _share(table)
    yield Text(f"  {one_line(table.name, 30)} {_phase(table)}")
    yield ProgressBar(total=max(whole, 1), completed=done, width=_BAR)
    yield percent(done / whole) if whole else ""
    yield f"{count(table.rows)} of {count(table.rows_expected)}"
    yield f"{rate(table.bytes_per_s)}  {span(table.seconds_left)}"


def _share(table: TableLine) -> tuple[int, int]:
    """What the table's bar stands for: chunks to compare, indexes to build, or bytes to copy; and how far it is."""
    if table.state == TableState.VERIFYING:
        return table.chunks, table.verified
    if _builds_apart(table):
        return table.builds, table.builds_ended
    return table.bytes_expected, table.bytes


def _builds_apart(table: TableLine) -> bool:
    return table.state == TableState.BUILDING and table.builds > 0


def _phase(table: TableLine) -> str:
    """A table's state; of one whose indexes are built as tasks of their own, how many are."""
    if not _builds_apart(table):
        return state(table.state)
    return f"building, {table.builds_ended} of {counted(table.builds, 'index', 'indexes')} done"


def status_view(progress: JobProgress, *, seconds: float | None = None) -> Group:
    """A job and its tables, and where its time went.

    Args:
        progress: Where it is.
        seconds: How long a command worked at it, for the headline; where it went is then left to `producer status`.
    """
    times = times_lines(progress.times) if seconds is None else ()
    return Group(_headline(progress, seconds), _tables(progress), *_errors(progress.tables), *times)


def _headline(progress: JobProgress, seconds: float | None) -> Text:
    text = Text(f"job {progress.job} is ")
    text.append(phase(progress), style=_COLOURS.get(JobState(progress.state), "bold"))
    text.append(f" ({percent(progress.done)})" if not progress.ended else "")
    text.append(f": {counted(progress.rows, 'row')}, {size(progress.bytes)}{_when(progress, seconds)}")
    if progress.bytes_per_s and not progress.ended:
        text.append(f", {rate(progress.bytes_per_s)}")
    if progress.seconds_left:
        text.append(f", {span(progress.seconds_left)} left")
    if progress.paused_at:
        text.append(f"\n{pause(progress)}", style="yellow")
    if progress.throttle:
        text.append(f"\n{progress.throttle.said}", style="yellow")
    if progress.error:
        text.append(f"\n{printable(progress.error)}", style="red" if progress.state == JobState.FAILED else "yellow")
    return text


def _when(progress: JobProgress, seconds: float | None) -> str:
    if seconds is not None:
        return f" in {span(seconds)}"
    if progress.ended_at is None:
        return f" after {span(progress.elapsed_s)}"
    return f"; begun {moment(progress.created_at)}, ended {moment(progress.ended_at)}"


def _tables(progress: JobProgress) -> Table:
    """The tables; while the job runs also how fast they go and what is left."""
    table = table_of("table", "state")
    running = ("of", "speed", "left") if not progress.ended else ()
    for name in ("chunks", "rows", *running, "verified", "rejects", "mismatches"):
        table.add_column(name, justify="right")
    for line in progress.tables:
        pace = (count(line.rows_expected), rate(line.bytes_per_s), span(line.seconds_left)) if running else ()
        table.add_row(
            one_line(line.name),
            _state(line.state, _phase(line)),
            f"{line.copied}/{line.chunks}{'' if line.planned else '+'}",
            count(line.rows),
            *pace,
            count(line.rows_verified),
            count(line.rejects),
            count(line.mismatches),
        )
    return table


def _errors(tables: Iterable[TableLine]) -> Iterable[Text]:
    for table in tables:
        if table.error:
            yield Text(f"{one_line(table.name)}: {printable(table.error)}", style="red")


def print_jobs(console: Console, jobs: Sequence[JobLine]) -> None:
    """All jobs, latest first."""
    if not jobs:
        console.print("no job yet")
        return
    table = table_of("job", "state", "source", "schema", "tables", "rows", "begun", "copied in")
    for job in jobs:
        took = None if job.copied_at is None else (job.copied_at - job.created_at).total_seconds()
        begun = moment(job.created_at)
        sizes = (count(job.tables), count(job.rows))
        held = f"{state(job.state)}, paused" if job.paused_at else None
        table.add_row(str(job.job), _state(job.state, held), job.source, job.target_schema, *sizes, begun, span(took))
    console.print(table)


def _state(name: str, said: str | None = None) -> Text:
    colour = {str(each): colour for each, colour in _COLOURS.items()}.get(name, "")
    return Text(said or state(name), style=colour)


def table_of(*columns: str) -> Table:
    """An empty table in our plain style."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
