"""Plan, check and report as Rich renders them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from producer.print_end import mismatches_view
from producer.print_failures import failures_view
from producer.print_grades import graded, print_grades, print_not_exact
from producer.print_status import table_of
from producer.print_tables import LONG_LIST, columns_view, hidden_tables, tables_view
from producer.print_times import times_lines
from producer.views import Finding, Outcome, PlanView, Report, ReportTable
from producer.wording import count, counted, moment, one_line, span, state
from shared.printable import printable
from shared.records.plan import Grade, ProfileMode, TypesPolicy
from shared.records.source import SourceVersion
from shared.schema.rules.effects import RuleEffect

_FEW = 5
"""Things that a rule did, and versions of the source, on one line."""
_MIB = 1024 * 1024
_STEPS = ("read", "convert", "write", "commit", "rest", "compare")
"""Of a worker's time, as the times of a table name them."""
_OUTCOMES = {
    Outcome.OK: ("ok", "green"),
    Outcome.NOTE: ("note", "cyan"),
    Outcome.WRONG: ("FAILED", "red"),
    Outcome.UNREACHABLE: ("FAILED", "red"),
}


def print_plan(console: Console, plan: PlanView, *, verbose: bool) -> None:
    """What a job would do; with `verbose`, every column and every object."""
    target = plan.target or "a new embedded PostgreSQL"
    console.print(f"from {plan.source} into {target}, schema {plan.target_schema}; nothing was written", soft_wrap=True)
    if plan.versions:
        shown = plan.versions if verbose else plan.versions[:_FEW]
        more = f" and {len(plan.versions) - len(shown)} more: --verbose" if len(shown) < len(plan.versions) else ""
        console.print(f"the source says of itself: {_versions(shown)}{more}", soft_wrap=True, markup=False)
    for note in plan.notes:
        console.print(Text(f"note: {note}", style="cyan"), soft_wrap=True)
    console.print(tables_view(plan, verbose=verbose))
    if hidden := hidden_tables(plan, verbose=verbose):
        console.print(hidden)
    for table in plan.tables if verbose or len(plan.tables) <= LONG_LIST else ():
        console.print(columns_view(table, plan.target_schema, verbose=verbose), soft_wrap=True)
    _print_rules(console, plan.rules, verbose=verbose)
    print_grades(console, plan.grades, verbose=verbose)
    if not verbose:
        console.print(
            "every column with the reason for its type: --verbose; the schema as SQL: --sql; all of it: --json",
            soft_wrap=True,
        )


def _print_rules(console: Console, rules: Sequence[RuleEffect], *, verbose: bool) -> None:
    for rule in rules:
        shown = rule.did if verbose else rule.did[:_FEW]
        more = f"; and {len(rule.did) - len(shown)} more: --verbose" if len(shown) < len(rule.did) else ""
        did = "; ".join(map(one_line, shown)) or "overridden by later rules"
        console.print(Text(f"rule {rule.number} ({one_line(rule.rule, 200)}): {did}{more}"), soft_wrap=True)


def print_findings(console: Console, findings: Iterable[Finding]) -> None:
    """One line for each thing that was looked at."""
    view = table_of("", "", "")
    view.show_header = False
    for finding in findings:
        word, colour = _OUTCOMES[finding.outcome]
        view.add_row(Text(word, style=colour), finding.what, printable(finding.text))
    console.print(view)


def print_report(console: Console, report: Report, *, verbose: bool = False) -> None:
    """The proof of a copy, for people."""
    for name, text in _facts(report):
        console.print(Text.assemble((f"{name:<12}", "bold"), text), soft_wrap=True)
    console.print(_report_tables(report.tables))
    console.print(_sums(report), soft_wrap=True)
    if report.times is not None:
        console.print(_report_times(report.tables, verbose=verbose))
    for line in times_lines(report.times):
        console.print(line, soft_wrap=True)
    for line in failures_view(report.failures):
        console.print(line, soft_wrap=True)
    if report.shown_mismatches:
        console.print(mismatches_view(report.shown_mismatches, report.mismatches))
    for each in report.unreadable:
        lost = f"could not be read: {each.key_range} of table {each.table}: {each.reason}"
        console.print(Text(one_line(lost, 400), style="red"), soft_wrap=True)
    exact = [f"{count(report.exact_objects)} {Grade.EXACT}"] if report.exact_objects else []
    found = ", ".join([*exact, *([graded(report.not_exact)] if report.not_exact else [])])
    console.print(f"objects of the source's schema: {found or 'none'}", soft_wrap=True)
    print_not_exact(console, report.not_exact, verbose=verbose)


def _facts(report: Report) -> Iterable[tuple[str, str]]:
    yield "job", f"{report.job}, {state(report.state)}" + (f": {report.error}" if report.error else "")
    yield "source", report.source
    yield "read from", report.snapshot
    yield "fingerprint", report.fingerprint
    if report.versions:
        yield "versions", _versions(report.versions)
    yield "into schema", report.target_schema
    yield "begun", moment(report.created_at)
    if report.copied_at is not None:
        yield "copied", f"{moment(report.copied_at)} (after {span(report.seconds)})"
    yield "ended", moment(report.ended_at) if report.ended_at else "not yet"
    yield "options", _options(report)


def _versions(versions: Sequence[SourceVersion]) -> str:
    return ", ".join(f"{one_line(version.name)} {one_line(version.value)}" for version in versions)


def _options(report: Report) -> str:
    options = report.options
    parts = [f"tables {', '.join(options.tables)}" if options.tables else "all tables"]
    parts += [f"without {', '.join(options.exclude)}"] if options.exclude else []
    parts += [f"at most {options.limit} rows a table"] if options.limit is not None else []
    flags = {
        "schema only": options.schema_only,
        "data only": options.data_only,
        "tables made anew": options.recreate,
        "salvaged": options.salvage,
        "no snapshot": not options.snapshot,
        "not verified": not options.verify,
        "types by a sample": options.profile is ProfileMode.SAMPLE,
        "names preserved": options.preserve_identifiers,
        "types as declared": options.types is TypesPolicy.DECLARED,
    }
    parts += [name for name, is_on in flags.items() if is_on]
    parts += [counted(len(options.rules), "rule")] if options.rules else []
    return ", ".join([*parts, f"on conflict {options.on_conflict}", f"chunks of {options.chunk_bytes / _MIB:g} MiB"])


def _report_tables(tables: Iterable[ReportTable]) -> Table:
    view = table_of("table", "became", "state", "in source", "in target", "rejects", "verified", "mismatches", "chunks")
    for table in tables:
        paths = ", ".join(f"{number} {path}" for path, number in table.chunks_by_path.items())
        view.add_row(
            one_line(table.source),
            one_line(table.target),
            state(table.state),
            count(table.rows_source),
            count(table.rows_target),
            count(table.rejects),
            count(table.rows_verified),
            count(table.mismatches),
            paths or count(table.chunks),
        )
    return view


def _report_times(tables: Iterable[ReportTable], *, verbose: bool) -> Table:
    """Where the workers' time went, the longest tables first; `verbose` shows all of a long list."""
    view = table_of("time of", "workers", *(name for name in _STEPS))
    timed = sorted(
        ((table.source, table.times) for table in tables if table.times is not None),
        key=lambda each: each[1].copy_s + each[1].compare_s,
        reverse=True,
    )
    for name, times in timed if verbose else timed[:LONG_LIST]:
        shares = (f"{times.shares[step]:.0%}" for step in _STEPS)
        view.add_row(one_line(name), span(times.copy_s + times.compare_s), *shares)
    return view


def _sums(report: Report) -> str:
    kept = ", ".join(one_line(name) for name in report.presence_only)
    how = f" (by the key alone, since rows were kept: {kept})" if kept else " value by value"
    read = "could be read of" if report.unreadable else "in"
    return (
        f"{counted(report.rows_source, 'row')} {read} the source, {count(report.rows_target)} in the target,"
        f" {counted(report.rejects, 'reject')}, {count(report.rows_verified)} verified{how},"
        f" {counted(report.mismatches, 'mismatch', 'mismatches')}"
    )
