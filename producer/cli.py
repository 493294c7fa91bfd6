"""`producer`: parses, calls, prints, maps errors to exit codes. What commands do stands in `producer.commands`.

A command imports what it works with when it is chosen: a mistyped option need not wait for Arrow and Celery.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from producer import arguments as given
from producer import cancel_command, pause_commands, rollback_command, start_commands, throttle_command
from producer.failing import DEBUG_VARIABLE, explain
from producer.interrupting import interrupt_once
from shared.errors import ExitCode

if TYPE_CHECKING:
    from producer.records import JobProgress

_LIMIT = 100
"""Rejects that are listed unless asked otherwise: a few screens."""

app = typer.Typer(
    name="producer",
    help="Move every table of a SQLite database into PostgreSQL: in parallel, exactly once, verified value by value.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(start_commands.start)
app.command()(start_commands.plan)


def main(args: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    interrupt_once()
    # What went wrong is told once, by us; libraries' warnings along the way would tell it twice.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        typer.main.get_command(app).main(args=args, prog_name="producer")
    except SystemExit as end:
        if end.code == ExitCode.INTERRUPTED:  # where there was nothing to say of a job
            sys.stderr.write("producer: interrupted\n")
        return end.code if isinstance(end.code, int) else ExitCode.DONE
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets one sentence
        return explain(error)
    return ExitCode.DONE


@app.callback(invoke_without_command=True)
def _program(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks (also: PGCONVOY_DEBUG=1).")] = False,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"
    if show_version:
        from importlib.metadata import version

        sys.stdout.write(f"pgconvoy {version('pgconvoy')}\n")
        raise typer.Exit


@app.command()
def status(
    job: given.Job = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again until the job ends.")] = False,
    target: given.Target = None,
    as_json: given.Json = False,
) -> None:
    """Show where a job is: chunks, rows, speed and time left of each table."""
    from producer import looking
    from producer.records import exit_code_of
    from producer.session import settings_of, watching

    settings = settings_of(target=target)
    if not watch:
        _show_status(looking.status(settings, job), as_json=as_json)
        return
    with watching(as_json=as_json) as show:
        progress = looking.watch(settings, job, show)
    _show_status(progress, as_json=as_json)
    raise typer.Exit(exit_code_of(progress.state))


def _show_status(progress: JobProgress, *, as_json: bool) -> None:
    from producer import print_status, printing

    if as_json:
        printing.print_json(progress)
    else:
        printing.out().print(print_status.status_view(progress))


@app.command()
def jobs(*, target: given.Target = None, as_json: given.Json = False) -> None:
    """List all jobs, latest first."""
    from producer import looking, print_status, printing
    from producer.session import settings_of

    found = looking.jobs(settings_of(target=target))
    if as_json:
        printing.print_json(found)
    else:
        print_status.print_jobs(printing.out(), found)


@app.command()
def requeue(
    job: given.Job = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All failed chunks (the default).")] = False,
    table: Annotated[
        str | None, typer.Option("--table", metavar="T", show_default=False, help="Failed chunks of this table only.")
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option("--chunk", metavar="N", min=1, show_default=False, help="This chunk of the table only."),
    ] = None,
    target: given.Target = None,
    broker: given.Broker = None,
    workers: given.Workers = None,
    as_json: given.Json = False,
) -> None:
    """Put failed chunks back into the queue; with a local fleet, wait for the job then."""
    from producer import commands
    from producer.session import finish, listening, settings_of

    given.refuse_together("--failed", "--table", both=failed and table is not None)
    settings = settings_of(target=target, broker=broker, workers=workers)
    with listening(as_json=as_json) as listener:
        end = commands.requeue(settings, job, listener, table=table, chunk=chunk)
    finish(end, as_json=as_json)


@app.command()
def resume(
    job: given.Job = None,
    *,
    detach: given.Detach = False,
    target: given.Target = None,
    broker: given.Broker = None,
    workers: given.Workers = None,
    as_json: given.Json = False,
) -> None:
    """Go on with a job: rebuild whatever the queue lost, and wait for its end."""
    from producer import commands
    from producer.session import finish, listening, settings_of

    settings = settings_of(target=target, broker=broker, workers=workers)
    with listening(as_json=as_json) as listener:
        end = commands.resume(settings, job, listener, detach=detach)
    finish(end, as_json=as_json)


app.command()(cancel_command.cancel)
app.command()(pause_commands.pause)
app.command()(pause_commands.unpause)
app.command()(throttle_command.throttle)
app.command()(rollback_command.rollback)


@app.command()
def verify(
    job: given.Job = None,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Copy the rows that differ again, and compare those again.")
    ] = False,
    target: given.Target = None,
    broker: given.Broker = None,
    workers: given.Workers = None,
    as_json: given.Json = False,
) -> None:
    """Compare every value of both sides again; exits with 1 and names what differs."""
    from producer.commands import verify as verify_again
    from producer.repairing import verify_and_repair
    from producer.session import finish, listening, settings_of

    settings = settings_of(target=target, broker=broker, workers=workers)
    with listening(as_json=as_json) as listener:
        end = (verify_and_repair if repair else verify_again)(settings, job, listener)
    finish(end, as_json=as_json)


@app.command()
def rejects(
    job: given.Job = None,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many rows.")] = _LIMIT,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE", show_default=False, help="Write all of them, whole, to .sqlite or .csv."
        ),
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Try them again under the rules of pgconvoy.toml, then verify the job.")
    ] = False,
    target: given.Target = None,
    broker: given.Broker = None,
    workers: given.Workers = None,
    as_json: given.Json = False,
) -> None:
    """List the rows that the target cannot hold, with the reason for each."""
    from producer import looking, print_end, printing
    from producer.session import finish, listening, settings_of
    from producer.wording import counted

    given.refuse_together("--export", "--replay", both=export is not None and replay)
    if replay:
        from producer.commands import replay as replay_rejects

        settings = settings_of(target=target, broker=broker, workers=workers)
        with listening(as_json=as_json) as listener:
            end = replay_rejects(settings, job, listener)
        finish(end, as_json=as_json)
        return
    if export is not None:
        rows = looking.export(settings_of(target=target), job, export)
        printing.out().print(f"{counted(rows, 'rejected row')} in {export}", soft_wrap=True, highlight=False)
        return
    found = looking.rejects(settings_of(target=target), job, limit=limit)
    if as_json:
        printing.print_json(found)
    else:
        print_end.print_rejects(printing.out(), found, limit=limit)


@app.command()
def check(
    *,
    source: given.Source = None,
    target: given.Target = None,
    broker: given.Broker = None,
    workers: given.Workers = None,
    schema: given.Schema = None,
    as_json: given.Json = False,
) -> None:
    """Look at source, target, broker and every worker; exits with 3 or 2 where something is missing or wrong."""
    from producer import print_plan, printing
    from producer.checking import check as check_everything
    from producer.checking import exit_code_of_check
    from producer.session import settings_of

    settings = settings_of(source=source, target=target, broker=broker, workers=workers, schema=schema)
    findings = check_everything(settings)
    if as_json:
        printing.print_json(findings)
    else:
        print_plan.print_findings(printing.out(), findings)
    raise typer.Exit(exit_code_of_check(findings))


@app.command()
def report(
    job: given.Job = None,
    *,
    target: given.Target = None,
    verbose: given.Verbose = False,
    as_json: given.Json = False,
) -> None:
    """Print the proof of a copy: what was there, what arrived, what was compared, what is not exact."""
    from producer import looking, print_plan, printing
    from producer.session import settings_of

    found = looking.report(settings_of(target=target), job)
    if as_json:
        printing.print_json(found)
    else:
        print_plan.print_report(printing.out(), found, verbose=verbose)


app.command()(start_commands.demo)

if __name__ == "__main__":
    sys.exit(main())
