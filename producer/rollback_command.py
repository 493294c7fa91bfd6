"""`producer rollback` as the command line knows it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from producer import arguments as given
from shared.errors import ExitCode, OperatorError

if TYPE_CHECKING:
    from producer.rolling_back import RollbackView


def rollback(
    job: given.Job = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, or what stands in the way; change nothing.")
    ] = False,
    target: given.Target = None,
    as_json: given.Json = False,
) -> None:
    """Take back what a job did: its tables go, rows that it changed are as they were. All of it, or nothing."""
    from rich.prompt import Confirm

    from producer import printing
    from producer.rolling_back import rollback as roll_back
    from producer.session import settings_of

    given.refuse_together("--dry-run", "--yes", both=dry_run and yes)
    settings = settings_of(target=target)
    if not yes:
        _refuse_without_terminal(dry_run=dry_run, as_json=as_json)
        view = roll_back(settings, job, dry_run=True)
        if dry_run:
            _show(view, as_json=as_json)
            return
        _show(view, as_json=False)
        job = view.job  # another job may have become the latest meanwhile
        if not Confirm.ask(f"Roll job {job} back?", console=printing.out(), default=False):
            printing.out().print("nothing was changed")
            raise typer.Exit(ExitCode.INCOMPLETE)
    _show(roll_back(settings, job, dry_run=False), as_json=as_json)


def _refuse_without_terminal(*, dry_run: bool, as_json: bool) -> None:
    if not dry_run and (as_json or not sys.stdin.isatty()):
        msg = "rollback asks first and nobody is there to answer: say --yes, or look with --dry-run"
        raise OperatorError(msg)


def _show(view: RollbackView, *, as_json: bool) -> None:
    from producer import printing

    if as_json:
        printing.print_json(view)
        return
    for line in _lines(view):
        printing.out().print(line, soft_wrap=True, highlight=False, markup=False)


def _lines(view: RollbackView) -> Iterator[str]:
    from producer.wording import counted

    verb = "is rolled back" if view.done else "can be rolled back"
    yield f"job {view.job} {verb}:"
    if view.dropped:
        yield f"  dropped: {', '.join(view.dropped)} ({counted(view.rows_dropped, 'row')})"
    if view.objects:
        yield f"  dropped: {', '.join(view.objects)}"
    if view.restored:
        yield (
            f"  as before: {', '.join(view.restored)} ({counted(view.rows_deleted, 'inserted row')} deleted,"
            f" {counted(view.rows_restored, 'row')} restored)"
        )
    if not (view.dropped or view.objects or view.restored):
        yield "  nothing of it is in the target"
    for note in view.stays:
        yield f"  note: {note}"
