"""What a job will do, before anything is made: survey, translate, fit onto what the target holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from producer.freezing import reading_copy, salvaged_for_a_look
from producer.making import parents_first
from producer.preflight import check_source, required_source
from producer.records import Listener
from producer.survey import chunks_of, refuse_limit, survey
from producer.trial import Ground, trial_ground, tried
from producer.views import PlannedTable, PlanView
from shared.cores import usable_cores
from shared.errors import OperatorError
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.unfinished import finishing_commands
from shared.ledger.upgrade import ledger_exists
from shared.records.existing import ExistingTable, TargetAbilities
from shared.records.plan import Grade, JobOptions, ObjectGrade, ProfileMode, SchemaPlan, TablePlan
from shared.records.source import ChunkKeyKind, ObjectKind, TableProfile
from shared.schema.existing_names import named_as_there
from shared.schema.fitting import fit_schema
from shared.schema.objects import translate
from shared.schema.rules.book import read_rules
from shared.schema.rules.effects import RuleEffect, rule_effects
from shared.settings import Settings, shown
from shared.source.reader import SourceReader
from shared.target.ddl import whole_schema
from shared.target.existing import read_existing, read_taken_names


def refuse_contradictions(options: JobOptions) -> None:
    """Refuse options that exclude each other.

    Raises:
        OperatorError: names them.
    """
    if options.schema_only and options.data_only:
        msg = "--schema-only and --data-only exclude each other: leave both out to copy schema and data"
        raise OperatorError(msg)
    if options.salvage and not options.snapshot:
        msg = "--salvage and --no-snapshot exclude each other: what can be read goes into a snapshot"
        raise OperatorError(msg)
    if options.undo_log and options.recreate:
        msg = (
            "--undo-log and --recreate exclude each other: a table that --recreate replaces is gone with its rows, "
            "and no log brings it back; back it up, or copy into another schema with --schema"
        )
        raise OperatorError(msg)
    if options.undo_log and options.schema_only:
        msg = (
            "--undo-log and --schema-only exclude each other: no row is written, so there is nothing to keep; tables "
            "that the job makes can be taken back without it"
        )
        raise OperatorError(msg)
    if options.data_only and options.recreate:
        msg = "--data-only and --recreate exclude each other: --data-only copies into tables that are there"
        raise OperatorError(msg)


def draw_plan(
    reader: SourceReader, settings: Settings, options: JobOptions, listener: Listener, *, abilities: TargetAbilities
) -> SchemaPlan:
    """Survey the source and say what it becomes in an empty target of such abilities, parents first.

    Raises:
        OperatorError: for tables that the source does not have, and for rules that match nothing or cannot be kept.
    """
    book = read_rules(reader.catalog(), options.rules, preserve=options.preserve_identifiers)
    options = book.without_excluded(options)
    sampled = options.profile is ProfileMode.SAMPLE
    listener.say(f"looking at {'a sample' if sampled else 'every value'} of the source, to choose types")
    found = survey(
        reader, options.tables, options.exclude, processes=settings.workers or usable_cores(), mode=options.profile
    )
    catalog = reader.catalog()
    named = _by_exact_name(options, [table.name for table in catalog.tables], tuple(found.profiles))
    schema = settings.target_schema
    plan = translate(catalog, found.profiles, target_schema=schema, options=named, abilities=abilities)
    if not plan.tables and not refused_tables(plan):
        asked = "table that was asked for" if options.tables or options.exclude else "ordinary table"
        msg = f"there is nothing to copy: {shown(settings.source_url)} has no {asked}"
        raise OperatorError(msg)
    for table in plan.tables:
        _refuse_impossible_limit(table, found.profiles[table.read.table])
    # Ordered here: a table that was there before keeps its own foreign keys, and its fitted plan names none.
    return replace(plan, tables=parents_first(plan.tables))


def refused_tables(plan: SchemaPlan) -> tuple[ObjectGrade, ...]:
    """The tables that PostgreSQL cannot have at all."""
    return tuple(each for each in plan.grades if each.kind is ObjectKind.TABLE and each.grade is Grade.REFUSED)


def refuse_incomplete(plan: SchemaPlan) -> None:
    """Refuse to begin a job that would leave a table behind: the operator has to say so.

    Raises:
        OperatorError: names the tables and what to do.
    """
    refused = refused_tables(plan)
    if refused:
        found = "; ".join(f"table {each.name} cannot be copied: {each.reason}" for each in refused)
        msg = f"{found}. Leave it out with --exclude, or change it in the source"
        raise OperatorError(msg)


def _by_exact_name(options: JobOptions, tables: Sequence[str], picked: Sequence[str]) -> JobOptions:
    """Name tables as the source does, whatever case the operator wrote them in."""
    return replace(
        options,
        tables=tuple(picked) if options.tables else (),
        exclude=tuple(name for name in tables if name not in picked) if options.exclude and not options.tables else (),
    )


def _refuse_impossible_limit(plan: TablePlan, profile: TableProfile) -> None:
    """Refuse a limit that planning could not keep, before anything is made."""
    key = plan.read.chunk_key
    nulls = profile.columns[key.columns[0]].nulls if key.nullable else 0
    if plan.row_limit is not None and (key.kind is ChunkKeyKind.NONE or nulls > plan.row_limit):
        refuse_limit(plan, plan.row_limit, profile.rows)


def fit_to_target(ledger: SqlAlchemyLedger, plan: SchemaPlan, settings: Settings, options: JobOptions) -> SchemaPlan:
    """Fit a plan onto the tables that the target holds already.

    Raises:
        OperatorError: where a table that is there cannot take the rows.
    """
    if options.data_only:
        plan = named_as_there(plan, read_taken_names(ledger.connection, settings.target_schema))
    names = [table.name for table in plan.tables]
    existing = _with_finishing_commands(ledger, read_existing(ledger.connection, settings.target_schema, names))
    taken = read_taken_names(ledger.connection, settings.target_schema, besides=names)
    return fit_schema(plan, existing, options, taken=taken)


def _with_finishing_commands(ledger: SqlAlchemyLedger, existing: Sequence[ExistingTable]) -> list[ExistingTable]:
    """Say of tables with rows and without a key whether a job of ours left them so."""
    doubtful = [table for table in existing if table.has_rows and not table.keys]
    if not doubtful or not ledger_exists(ledger.connection):
        return list(existing)
    commands = finishing_commands(ledger, doubtful[0].schema, [table.name for table in doubtful])
    return [replace(table, finish_with=commands.get(table.name, "")) for table in existing]


def plan_only(settings: Settings, options: JobOptions, listener: Listener) -> PlanView:
    """Say what `producer start` would do; writes nothing anywhere."""
    refuse_contradictions(options)
    if not options.salvage:
        check_source(settings)
    with (
        salvaged_for_a_look(required_source(settings), listener, options) as reader,
        trial_ground(settings, listener) as ground,
    ):
        with reading_copy(settings, reader) as copy:
            plan = draw_plan(copy, settings, options, listener, abilities=ground.abilities)
        plan, notes = _fitted(plan, ground, options)
        rules = _rules(reader, options, plan)
        tables = tuple(_planned_table(reader, table, options) for table in plan.tables)
        versions = reader.catalog().versions
    return PlanView(
        source=shown(settings.source_url),
        target=None if ground.target is None or ground.is_private else ground.target.shown,
        target_schema=settings.target_schema,
        versions=versions,
        tables=tables,
        rules=rules,
        grades=plan.grades,
        notes=(*ground.notes, *notes),
        sql=whole_schema(plan),
    )


def _fitted(plan: SchemaPlan, ground: Ground, options: JobOptions) -> tuple[SchemaPlan, tuple[str, ...]]:
    """Fit a plan onto the target and try it there; also what could not be tried."""
    target = ground.target
    if target is None or (ground.is_private and options.data_only):
        return plan, ()
    with target.ledger(f"trying the schema in {target.shown}") as ledger:
        if not ground.is_private:
            plan = fit_to_target(ledger, plan, target.settings, options)
        found = tried(ledger, plan, target.settings.target_schema)
    return found.plan, found.notes


def _rules(reader: SourceReader, options: JobOptions, plan: SchemaPlan) -> tuple[RuleEffect, ...]:
    catalog = reader.catalog()
    book = read_rules(catalog, options.rules, preserve=options.preserve_identifiers)
    return rule_effects(options.rules, book, catalog, plan)


def _planned_table(reader: SourceReader, plan: TablePlan, options: JobOptions) -> PlannedTable:
    cut = chunks_of(reader, plan, options.chunk_bytes, small_tail=options.small_tail)
    chunks = 0 if options.schema_only else sum(1 for _ in cut)
    return PlannedTable(
        source=plan.read.table,
        target=f"{plan.schema}.{plan.name}",
        rows=plan.rows,
        bytes=int(plan.rows * plan.row_bytes),
        chunks=chunks,
        creates=plan.creates,
        load=plan.load,
        compare_by=plan.compare_by,
        primary_key=plan.primary_key.columns if plan.primary_key else (),
        unique_keys=len(plan.unique_keys),
        indexes=len(plan.indexes),
        foreign_keys=len(plan.foreign_keys),
        expected_rejects=sum(column.expected_rejects for column in plan.columns),
        possible_rejects=sum(column.possible_rejects for column in plan.columns),
        columns=plan.columns,
    )
