"""Progress, status, ends and lists of jobs as Rich renders them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from producer.records import Detached, JobEnd, JobProgress, MismatchLine, TableLine
from producer.views import JobLine, RejectLine
from producer.wording import bad, count, counted, one_line, rate, size, span, state
from shared.ledger.states import JobState, TableState

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
        Text(f"job {progress.job} {state(progress.state)}", style="bold"),
        ProgressBar(total=1.0, completed=progress.done, width=_BAR),
        f"{progress.done:.0%}",
        f"{count(progress.rows)} of {counted(progress.rows_expected, 'row')}",
        f"{rate(progress.bytes_per_s)}  {left}",
    )
    running = [table for table in progress.tables if table.state in _RUNNING]
    for table in running[:rows]:
        grid.add_row(*_running_row(table))
    ended = sum(table.state not in (*_RUNNING, TableState.PENDING) for table in progress.tables)
    grid.add_row(Text(f"{ended} of {counted(len(progress.tables), 'table')} done", style="dim"), "", "", "", "")
    return grid


def _running_row(table: TableLine) -> Iterable[RenderableType]:
    comparing = table.state == TableState.VERIFYING
    whole, done = (table.chunks, table.verified) if comparing else (table.bytes_expected, table.bytes)
    yield Text(f"  {one_line(table.name, 30)} {state(table.state)}")
    yield ProgressBar(total=max(whole, 1), completed=done, width=_BAR)
    yield f"{done / whole:.0%}" if whole else ""
    yield f"{count(table.rows)} of {count(table.rows_expected)}"
    yield f"{rate(table.bytes_per_s)}  {span(table.seconds_left)}"


def status_view(progress: JobProgress) -> Group:
    """A job and its tables."""
    return Group(_headline(progress), _tables(progress), *_errors(progress.tables))


def _headline(progress: JobProgress) -> Text:
    text = Text(f"job {progress.job} is ")
    text.append(state(progress.state), style=_COLOURS.get(JobState(progress.state), "bold"))
    text.append(f" ({progress.done:.0%})" if not progress.ended else "")
    text.append(f" after {span(progress.elapsed_s)}: {counted(progress.rows, 'row')}, {size(progress.bytes)}")
    if progress.bytes_per_s and not progress.ended:
        text.append(f", {rate(progress.bytes_per_s)}")
    if progress.seconds_left:
        text.append(f", {span(progress.seconds_left)} left")
    if progress.error:
        text.append(f"\n{progress.error}", style="red" if progress.state == JobState.FAILED else "yellow")
    return text


def _tables(progress: JobProgress) -> Table:
    table = _table("table", "state")
    for name in ("chunks", "rows", "of", "verified", "speed", "left", "rejects", "mismatches"):
        table.add_column(name, justify="right")
    for line in progress.tables:
        table.add_row(
            one_line(line.name),
            _state(line.state),
            f"{line.copied}/{line.chunks}{'' if line.planned else '+'}",
            count(line.rows),
            count(line.rows_expected),
            count(line.rows_verified),
            rate(line.bytes_per_s),
            span(line.seconds_left),
            bad(line.rejects),
            bad(line.mismatches),
        )
    return table


def _errors(tables: Iterable[TableLine]) -> Iterable[Text]:
    for table in tables:
        if table.error:
            yield Text(f"{one_line(table.name)}: {table.error}", style="red")


def print_end(console: Console, end: JobEnd) -> None:
    """How a job ended: its tables, what failed, what differs, and what to do."""
    progress = end.progress
    console.print(status_view(progress))
    for failure in end.failures:
        console.print(Text(f"chunk {failure.chunk} of {one_line(failure.table)} failed: {failure.error}", style="red"))
    if end.mismatches:
        console.print(mismatches_view(end.mismatches, progress.mismatches))
    if end.not_exact:
        refused = counted(len(end.not_exact), "object of the source's schema is", "objects of the source's schema are")
        console.print(f"{refused} not exact in the target: producer report {progress.job}", soft_wrap=True)
    if end.verified and progress.state == JobState.COMPLETED:
        console.print(Text("every value was compared and is equal", style="green"))
    for hint in _hints(end):
        console.print(hint, soft_wrap=True)


def _hints(end: JobEnd) -> Iterable[str]:
    job, progress = end.progress.job, end.progress
    if progress.failed:
        yield f"copy the failed chunks again: producer requeue {job}"
    if progress.rejects:
        yield f"see the rejected rows: producer rejects {job}"
    if progress.state == JobState.CANCELLED:
        yield f"go on with it: producer resume {job}"


def mismatches_view(mismatches: Sequence[MismatchLine], total: int) -> Group:
    """Differences between source and target, as a table, and how many more there are."""
    table = _table("table", "differs", "key", "column", "source", "target")
    for line in mismatches:
        whole = line.column is None
        table.add_row(
            one_line(line.table),
            str(line.kind),
            one_line(line.key),
            one_line(line.column),
            "" if whole else _value(line.source),
            "" if whole else _value(line.target),
        )
    more = total - len(mismatches)
    return Group(table, *([Text(f"and {counted(more, 'more mismatch', 'more mismatches')}")] if more > 0 else []))


def print_jobs(console: Console, jobs: Sequence[JobLine]) -> None:
    """All jobs, latest first."""
    if not jobs:
        console.print("no job yet")
        return
    table = _table("job", "state", "source", "schema", "tables", "rows", "begun", "took")
    for job in jobs:
        took = None if job.ended_at is None else (job.ended_at - job.created_at).total_seconds()
        begun = job.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        sizes = (count(job.tables), count(job.rows))
        table.add_row(str(job.job), _state(job.state), job.source, job.target_schema, *sizes, begun, span(took))
    console.print(table)


def print_rejects(console: Console, rejects: Sequence[RejectLine], *, limit: int) -> None:
    """Rejected rows: where they are from and why."""
    if not rejects:
        console.print("no rejected rows")
        return
    table = _table("table", "key", "column", "reason", "value")
    for reject in rejects:
        key = ", ".join(_encoded(part) for part in reject.key)
        cells = (reject.table, key, reject.column, reject.reason, _encoded(reject.value) if reject.column else "")
        table.add_row(*(one_line(cell) for cell in cells))
    console.print(table)
    if len(rejects) == limit:
        console.print(f"the first {limit}; more with --limit, whole rows with --json", soft_wrap=True)


def print_detached(console: Console, detached: Detached) -> None:
    """How to look after a job that goes on by itself."""
    job = detached.job
    if detached.pid is not None:
        console.print(f"job {job} goes on in process {detached.pid}; its log: {detached.log}", soft_wrap=True)
    else:
        console.print(f"job {job} is with the workers", soft_wrap=True)
    console.print(f"watch it: producer status {job} --watch", soft_wrap=True)
    console.print(f"wait for it: producer resume {job}    end it: producer cancel {job}", soft_wrap=True)


def _encoded(value: dict[str, str] | None) -> str:
    if value is None:
        return "NULL"
    [(storage_class, text)] = value.items()
    return f"{storage_class} {text}"


def _value(text: str | None) -> str:
    return "NULL" if text is None else one_line(text)


def _state(name: str) -> Text:
    colour = {str(each): colour for each, colour in _COLOURS.items()}.get(name, "")
    return Text(state(name), style=colour)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
