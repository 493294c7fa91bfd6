"""What every command of the CLI needs: settings from options, somebody who listens, and a way to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer
from rich.live import Live

from producer import print_end, print_status, printing
from producer.listeners import Listening, listener_for
from producer.records import Detached, JobEnd, JobProgress
from shared.settings import Settings, load_settings


def settings_of(
    *,
    source: str | None = None,
    target: str | None = None,
    broker: str | None = None,
    workers: int | None = None,
    schema: str | None = None,
    chunk_mb: float | None = None,
    snapshot_dir: Path | None = None,
) -> Settings:
    """Read the settings; options that were given override everything else.

    Raises:
        OperatorError: names each wrong setting.
    """
    return load_settings(
        source_url=source,
        target_url=target,
        broker_url=broker,
        workers=workers,
        target_schema=schema,
        chunk_mb=chunk_mb,
        snapshot_dir=snapshot_dir,
    )


@contextmanager
def listening(*, as_json: bool) -> Iterator[Listening]:
    """Show what happens: on stdout, or on stderr where stdout is data."""
    err = printing.err()
    with listener_for(err if as_json else printing.out(), err) as listener:
        yield listener


@contextmanager
def watching(*, as_json: bool) -> Iterator[Callable[[JobProgress], None]]:
    """Show a job's tables in place on a terminal, else line by line."""
    out = printing.out()
    if as_json or not out.is_terminal:
        with listening(as_json=as_json) as listener:
            yield listener.show
        return
    with Live(console=out, transient=True, auto_refresh=False) as live:
        yield lambda progress: live.update(print_status.status_view(progress), refresh=True)


def finish(end: JobEnd | Detached, *, as_json: bool) -> NoReturn:
    """Print how a job ended, or that it goes on, and end the command accordingly.

    Raises:
        typer.Exit: always.
    """
    if as_json:
        printing.print_json(end)
    elif isinstance(end, Detached):
        print_end.print_detached(printing.out(), end)
    else:
        print_end.print_end(printing.out(), end)
        print_end.print_place(printing.out(), end)
    raise typer.Exit(end.exit_code)
