"""Who is told how a job goes: bars for a terminal, plain lines for a pipe."""

from __future__ import annotations

import time
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from producer.print_status import progress_view
from producer.records import JobProgress, TableLine
from producer.wording import count, counted, one_line, percent, phase, rate, size, span, state
from shared.ledger.states import TABLE_ENDS, TableState
from shared.redact import redact

_COPYING: Final = (TableState.PENDING, TableState.COPYING)
_WORTH_TIMING: Final = 1_000_000
"""Bytes; the time of smaller tables is that of a few round trips."""
_SUMMARY_S: Final = 10.0
"""A log that grows by six lines a minute can be read and can be kept."""


class LineListener:
    """Plain lines: one where a table ends, and a summary now and then."""

    def __init__(self, out: Console, err: Console) -> None:
        self._out = out
        self._err = err
        self._seen: dict[str, str] = {}
        self._copied: set[str] = set()
        self._summed_up_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def say(self, text: str) -> None:
        """Print a step of the story."""
        self._out.print(Text(redact(text)), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning to stderr."""
        self._err.print(Text(f"warning: {redact(text)}", style="yellow"), soft_wrap=True)

    def show(self, progress: JobProgress) -> None:
        """Print what is new."""
        for table in progress.tables:
            if table.state in _COPYING:
                self._copied.add(table.name)
            if table.state in TABLE_ENDS and self._seen.get(table.name) not in (None, table.state):
                self.say(table_ended(table, copied=table.name in self._copied))
            self._seen[table.name] = table.state
        if time.monotonic() - self._summed_up_at >= _SUMMARY_S and not (progress.ended or progress.paused_at):
            self._summed_up_at = time.monotonic()
            self.say(summary(progress))


class LiveListener:
    """Bars that are drawn again and again: the job as a whole, and the tables that run."""

    def __init__(self, out: Console, err: Console) -> None:
        self._out = out
        self._err = err
        self._live: Live | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bars away; what follows is printed below."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """Print a step of the story above the bars."""
        self._out.print(Text(redact(text)), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning above the bars."""
        console = self._out if self._live is not None else self._err
        console.print(Text(f"warning: {redact(text)}", style="yellow"), soft_wrap=True)

    def show(self, progress: JobProgress) -> None:
        """Draw the bars."""
        view: Table = progress_view(progress, rows=max(3, self._out.height - 8))
        if self._live is None:
            self._live = Live(view, console=self._out, refresh_per_second=4, transient=True)
            self._live.start()
        self._live.update(view)


Listening = LineListener | LiveListener


def listener_for(out: Console, err: Console) -> Listening:
    """Bars where a person looks, lines where a program or a file reads."""
    return LiveListener(out, err) if out.is_terminal and not out.is_dumb_terminal else LineListener(out, err)


def table_ended(table: TableLine, *, copied: bool = True) -> str:
    """One line for a table that has ended; its speed only where it was copied just now, and was worth timing."""
    doubts = [counted(table.rejects, "reject")] if table.rejects else []
    doubts += [counted(table.mismatches, "mismatch", "mismatches")] if table.mismatches else []
    doubts += [one_line(table.error)] if table.error and not table.mismatches else []
    speed = f" at {rate(table.bytes_per_s)}" if copied and table.bytes >= _WORTH_TIMING else ""
    verified = ", verified" if table.chunks and table.verified == table.chunks else ""
    about = "".join(f"; {doubt}" for doubt in doubts)
    return f"table {one_line(table.name)} {state(table.state)}: {counted(table.rows, 'row')}{speed}{verified}{about}"


def summary(progress: JobProgress) -> str:
    """One line for the job as a whole."""
    speed = f", {rate(progress.bytes_per_s)}" if progress.bytes_per_s else ""
    left = f", {span(progress.seconds_left)} left" if progress.seconds_left else ""
    held = f"; {progress.throttle.said}" if progress.throttle else ""
    return (
        f"job {progress.job} {phase(progress)}: {percent(progress.done)},"
        f" {count(progress.rows)} of {counted(progress.rows_expected, 'row')}"
        f" ({size(progress.bytes)} of {size(progress.bytes_expected)}){speed}{left}{held}"
    )
