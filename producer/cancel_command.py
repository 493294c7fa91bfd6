"""`producer cancel` as the command line knows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from producer import arguments as given

if TYPE_CHECKING:
    from producer.records import JobProgress


def cancel(job: given.Job = None, *, target: given.Target = None, as_json: given.Json = False) -> None:
    """End a job: chunks that run end, indexes in the making are given up, chunks that wait are not begun."""
    from producer import print_status, printing
    from producer.cancelling import cancel as cancel_job
    from producer.session import settings_of

    out = printing.err() if as_json else printing.out()
    settings = settings_of(target=target)
    progress = cancel_job(settings, job, lambda text: out.print(text, soft_wrap=True, highlight=False))
    if as_json:
        printing.print_json(progress)
        return
    out.print(print_status.status_view(progress))
    for line in _what_remains(progress):
        out.print(line, soft_wrap=True, highlight=False, markup=False)


def _what_remains(progress: JobProgress) -> Iterator[str]:
    """What is there and what is not, and how to go on from here."""
    from producer.wording import counted
    from shared.ledger.states import TableState

    complete = sum(table.state == TableState.COMPLETED for table in progress.tables)
    tables = counted(len(progress.tables), "table")
    yield f"what is copied stays: {complete} of {tables} complete, {counted(progress.rows, 'row')} in all"
    unplanned = sum(not table.planned for table in progress.tables)
    beyond = f", and the chunks of {counted(unplanned, 'table')} were not all planned yet" if unplanned else ""
    yield f"never begun: {counted(progress.cancelled, 'chunk')}{beyond}"
    yield f"go on with it: producer resume {progress.job}    take it away: producer rollback {progress.job}"
