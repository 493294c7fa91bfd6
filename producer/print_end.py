"""How a job ended, what differs and what was rejected, as Rich renders it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, Group
from rich.text import Text

from producer.print_failures import failures_view
from producer.print_grades import graded
from producer.print_status import status_view, table_of
from producer.reading import readable
from producer.records import Detached, JobEnd, MismatchLine
from producer.views import RejectLine
from producer.wording import counted, one_line
from shared.ledger.states import JobState
from shared.records.keys import decode_value

GOES_ON: Final = "PostgreSQL goes on running for you; its data stays when you stop it:"
_NAMES: Final = 5
_FAILURES: Final = 20
"""Lines of failed chunks: a screen; the report has them all."""


def print_end(console: Console, end: JobEnd) -> None:
    """How a job ended: its tables, what failed, what differs, and what to do."""
    progress = end.progress
    console.print(status_view(progress, seconds=end.seconds))
    for line in failures_view(end.failures, most=_FAILURES):
        console.print(line, soft_wrap=True)
    if end.mismatches:
        console.print(mismatches_view(end.mismatches, progress.mismatches))
    if end.not_exact:
        less = f"objects of the source's schema that are not exact in the target: {graded(end.not_exact)}"
        console.print(f"{less}; why: producer report {progress.job}", soft_wrap=True)
    if end.verified and progress.state == JobState.COMPLETED:
        console.print(Text(_compared(end), style="green"), soft_wrap=True)
    for hint in _hints(end):
        console.print(hint, soft_wrap=True)


def print_place(console: Console, end: JobEnd) -> None:
    """Where the rows are, where that is the embedded server, which nobody else tells of."""
    if end.connect is not None:
        console.print(f"Look at the rows:\n  {end.connect}", soft_wrap=True)
    if end.stop is not None:
        console.print(f"{GOES_ON}\n  {end.stop}", soft_wrap=True)


def _compared(end: JobEnd) -> str:
    """What verification found, as far as it looked."""
    kept = end.presence_only
    if not kept:
        return "every value was compared and is equal"
    names = ", ".join(one_line(name) for name in kept[:_NAMES]) + (" …" if len(kept) > _NAMES else "")
    rest = "every value of all other tables was compared and is equal; "
    return (
        f"{rest if len(kept) < len(end.progress.tables) else ''}every row is there by its key in {names}, whose other"
        " values were not compared: --on-conflict skip keeps rows that were there as they are"
    )


def _hints(end: JobEnd) -> Iterable[str]:
    job, progress = end.progress.job, end.progress
    if any(failure.source_changed for failure in end.failures):
        yield "the source has changed, which requeueing cannot mend; start a new job, without --no-snapshot:"
        yield "  producer start --recreate    (replaces the tables once the new ones are complete)"
    elif progress.failed:
        yield f"copy the failed chunks again: producer requeue {job}"
    elif progress.state == JobState.FAILED and not progress.mismatches:
        yield f"build and compare again what failed: producer requeue {job}"
    if progress.rejects:
        yield f"see the rejected rows: producer rejects {job}"
        yield f"try them again after a new rule: producer rejects {job} --replay"
    if progress.state == JobState.CANCELLED:
        yield f"go on with it: producer resume {job}"


def mismatches_view(mismatches: Sequence[MismatchLine], total: int) -> Group:
    """Differences between source and target, as a table, and how many more there are."""
    table = table_of("table", "differs", "key", "column", "source", "target")
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


def print_rejects(console: Console, rejects: Sequence[RejectLine], *, limit: int) -> None:
    """Rejected rows: where they are from and why."""
    if not rejects:
        console.print("no rejected rows")
        return
    table = table_of("table", "key", "column", "reason", "value")
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
    return readable(decode_value(value))


def _value(text: str | None) -> str:
    return "NULL" if text is None else one_line(text)
