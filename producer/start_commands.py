"""`producer start`, `plan` and `demo` as the command line knows them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from producer import arguments as given
from producer.limits import max_load_of
from shared.records.plan import JobOptions, OnConflict, ProfileMode, TypesPolicy

if TYPE_CHECKING:
    from shared.settings import Settings


def start(  # noqa: PLR0913 - a parameter is an option of the command
    *,
    tables: given.Tables = None,
    exclude: given.Exclude = None,
    limit: given.Limit = None,
    schema_only: given.SchemaOnly = False,
    data_only: given.DataOnly = False,
    recreate: given.Recreate = False,
    on_conflict: given.OnConflictOption = OnConflict.UPDATE,
    chunk_mb: given.ChunkMb = None,
    no_snapshot: given.NoSnapshot = False,
    snapshot_dir: given.SnapshotDir = None,
    no_verify: given.NoVerify = False,
    identifiers: given.IdentifiersOption = given.Identifiers.LOWER,
    types: given.Types = TypesPolicy.LOSSLESS,
    profile: given.Profile = ProfileMode.FULL,
    salvage: given.Salvage = False,
    undo_log: given.UndoLogOption = False,
    max_load: given.MaxLoadOption = None,
    dry_run: given.DryRun = False,
    detach: given.Detach = False,
    source: given.Source = None,
    target: given.Target = None,
    broker: given.Broker = None,
    workers: given.Workers = None,
    schema: given.Schema = None,
    as_json: given.Json = False,
) -> None:
    """Survey, plan, copy and verify; shows progress until the job ends."""
    from producer.session import finish, listening, settings_of

    given.refuse_together("--dry-run", "--detach", both=dry_run and detach)
    limits = max_load_of(max_load)
    urls = {"source": source, "target": target, "broker": broker, "schema": schema}
    settings = settings_of(workers=workers, chunk_mb=chunk_mb, snapshot_dir=snapshot_dir, **urls)
    options = JobOptions(
        tables=given.tables_of(tables),
        exclude=given.names_of(exclude),
        limit=limit,
        schema_only=schema_only,
        data_only=data_only,
        recreate=recreate,
        on_conflict=on_conflict,
        chunk_bytes=settings.chunk_bytes,
        snapshot=not no_snapshot,
        verify=not no_verify,
        preserve_identifiers=identifiers is given.Identifiers.PRESERVE,
        types=types,
        profile=profile,
        salvage=salvage,
        undo_log=undo_log,
        rules=settings.rules,
        small_tail=True,
    )
    if dry_run:
        _show_plan(settings, options, as_json=as_json)
        return
    from producer.starting import start as start_job

    with listening(as_json=as_json) as listener:
        end = start_job(settings, options, listener, detach=detach, max_load=limits)
    finish(end, as_json=as_json)


def plan(  # noqa: PLR0913 - a parameter is an option of the command
    *,
    tables: given.Tables = None,
    exclude: given.Exclude = None,
    limit: given.Limit = None,
    schema_only: given.SchemaOnly = False,
    data_only: given.DataOnly = False,
    recreate: given.Recreate = False,
    on_conflict: given.OnConflictOption = OnConflict.UPDATE,
    chunk_mb: given.ChunkMb = None,
    identifiers: given.IdentifiersOption = given.Identifiers.LOWER,
    types: given.Types = TypesPolicy.LOSSLESS,
    profile: given.Profile = ProfileMode.FULL,
    salvage: given.Salvage = False,
    source: given.Source = None,
    target: given.Target = None,
    schema: given.Schema = None,
    sql: given.Sql = False,
    verbose: given.Verbose = False,
    as_json: given.Json = False,
) -> None:
    """Say what `start` would do: tables, types, expected rejects, and what of the schema differs. Changes nothing."""
    from producer.session import settings_of

    given.refuse_together("--sql", "--json", both=sql and as_json)
    settings = settings_of(source=source, target=target, schema=schema, chunk_mb=chunk_mb)
    options = JobOptions(
        tables=given.tables_of(tables),
        exclude=given.names_of(exclude),
        limit=limit,
        schema_only=schema_only,
        data_only=data_only,
        recreate=recreate,
        on_conflict=on_conflict,
        chunk_bytes=settings.chunk_bytes,
        preserve_identifiers=identifiers is given.Identifiers.PRESERVE,
        types=types,
        profile=profile,
        salvage=salvage,
        rules=settings.rules,
        small_tail=True,
    )
    _show_plan(settings, options, as_json=as_json, sql=sql, verbose=verbose)


def demo(*, workers: given.Workers = None) -> None:
    """Copy a made-up shop into an embedded PostgreSQL, verify it, and say how to look at the rows."""
    from producer import print_end, printing
    from producer.demonstrating import demonstrate
    from producer.session import listening, settings_of

    with listening(as_json=False) as listener:
        end, words = demonstrate(settings_of(workers=workers), listener)
    print_end.print_end(printing.out(), end)
    for line in words:
        printing.out().print(line, soft_wrap=True)
    raise typer.Exit(end.exit_code)


def _show_plan(
    settings: Settings, options: JobOptions, *, as_json: bool, sql: bool = False, verbose: bool = False
) -> None:
    from producer import print_plan, printing
    from producer.planning import plan_only
    from producer.print_sql import sql_for_terminal
    from producer.session import listening

    with listening(as_json=as_json or sql) as listener:
        view = plan_only(settings, options, listener)
    if sql:
        sys.stdout.write(sql_for_terminal(view.sql) if sys.stdout.isatty() else view.sql)
    elif as_json:
        printing.print_json(view)
    else:
        print_plan.print_plan(printing.out(), view, verbose=verbose)
