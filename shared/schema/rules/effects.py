"""What each rule came to in a plan, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shared.records.plan import SchemaPlan, TablePlan, TargetColumn
from shared.records.rules import BadTextPolicy, Rule
from shared.records.source import SourceCatalog, SourceTable
from shared.schema.names import fold
from shared.schema.rules.book import RuleBook, Said
from shared.schema.rules.wildcards import matches


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEffect:
    """One rule and what it came to."""

    number: int
    rule: str
    """As it is written, in one line: ``table = "log", column = "*_at", form = "unix_ms"``."""
    did: tuple[str, ...]
    """What it did to each table or column that it matches: ``log.sent_at: timestamp with time zone``."""


def rule_effects(
    rules: Sequence[Rule], book: RuleBook, catalog: SourceCatalog, plan: SchemaPlan
) -> tuple[RuleEffect, ...]:
    """Say what every rule did in a plan; a table that the job leaves out is named as such."""
    return tuple(
        RuleEffect(number=number, rule=as_written(rule), did=tuple(_did(number, rule, book, catalog, plan)))
        for number, rule in enumerate(rules, start=1)
    )


def as_written(rule: Rule) -> str:
    """A rule in one line of TOML."""
    said = {
        "table": rule.table,
        "column": rule.column,
        "name": rule.name,
        "exclude": rule.exclude or None,
        "type": rule.type,
        "form": rule.form,
        "null_if_empty": rule.null_if_empty,
        "nul": rule.nul,
        "bad_utf8": rule.bad_utf8,
    }
    return ", ".join(f"{key} = {_toml(value)}" for key, value in said.items() if value is not None)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return f'"{text}"' if '"' not in text and "\\" not in text else f"'{text}'"


def _did(number: int, rule: Rule, book: RuleBook, catalog: SourceCatalog, plan: SchemaPlan) -> Iterator[str]:
    planned = {each.read.table: each for each in plan.tables}
    for table in (each for each in catalog.tables if _is_about(rule, each)):
        if table.name in book.excluded:
            yield f"{table.name}: left out" + ("" if rule.exclude and rule.column is None else " by another rule")
        elif table.name not in planned:
            yield f"{table.name}: not part of this job"
        elif rule.column is None:
            yield f"{table.name}: {_did_to_table(number, rule, book, planned[table.name])}"
        else:
            yield from _did_to_columns(number, table, book, planned[table.name].columns)


def _is_about(rule: Rule, table: SourceTable) -> bool:
    columns = table.columns if rule.column is not None else ()
    named = rule.column is None or any(matches(rule.column, column.name) for column in columns)
    return named and matches(rule.table, table.name)


def _did_to_table(number: int, rule: Rule, book: RuleBook, plan: TablePlan) -> str:
    said = book.of(plan.read.table)
    ruled = [column for column in plan.columns if number in said.of(column.source).by.values()]
    parts = [f"named {plan.name}"] if rule.name is not None else []
    parts += [f"{len(ruled):,} of {len(plan.columns):,} columns"] if ruled else []
    return ", ".join(parts) or "overridden by later rules"


def _did_to_columns(number: int, table: SourceTable, book: RuleBook, planned: Sequence[TargetColumn]) -> Iterator[str]:
    by_source = {fold(column.source): column for column in planned}
    for column in table.columns:
        said = book.of(table.name).of(column.name)
        keys = [key for key, by in said.by.items() if by == number]
        if keys:
            target = by_source.get(fold(column.name))
            yield f"{table.name}.{column.name}: {'left out' if target is None else _what(keys, said, target)}"


def _what(keys: Sequence[str], said: Said, target: TargetColumn) -> str:
    parts = [f"named {target.name}"] if "name" in keys else []
    if {"type", "form"}.intersection(keys) or (said.bad_utf8 is BadTextPolicy.BYTEA and "bad_utf8" in keys):
        parts.append(target.type.sql)
    parts += [f"{key} = {_toml(getattr(said, key))}" for key in keys if key in _POLICIES]
    return ", ".join(parts)


_POLICIES: Final = frozenset({"null_if_empty", "nul", "bad_utf8"})
