"""What each rule came to in a plan, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.records.plan import SchemaPlan, TargetColumn
from shared.records.rules import Rule
from shared.records.source import SourceCatalog, SourceTable
from shared.schema.names import fold
from shared.schema.rules import RuleBook, Said
from shared.schema.wildcards import matches


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
    for table in catalog.tables:
        if not matches(rule.table, table.name):
            continue
        if table.name in book.excluded:
            yield f"{table.name}: left out" + ("" if rule.exclude and rule.column is None else " by another rule")
        elif table.name not in planned:
            yield f"{table.name}: not part of this job"
        else:
            if rule.column is None and rule.name is not None:
                yield f"{table.name}: named {planned[table.name].name}"
            yield from _did_to_columns(number, table, book, planned[table.name].columns)


def _did_to_columns(number: int, table: SourceTable, book: RuleBook, planned: Sequence[TargetColumn]) -> Iterator[str]:
    by_source = {fold(column.source): column for column in planned}
    for column in table.columns:
        said = book.of(table.name).of(column.name)
        keys = [key for key, by in said.by.items() if by == number]
        if not keys:
            continue
        target = by_source.get(fold(column.name))
        yield f"{table.name}.{column.name}: {'left out' if target is None else _what(keys, said, target)}"


def _what(keys: Sequence[str], said: Said, target: TargetColumn) -> str:
    parts = []
    if "name" in keys:
        parts.append(f"named {target.name}")
    if {"type", "form"}.intersection(keys):
        parts.append(target.type.sql)
    if "bad_utf8" in keys and said.type is None and target.type.sql == "bytea" and target.treatment.bad_utf8 == "bytea":
        parts.append(target.type.sql)
    parts += [f"{key} = {_toml(getattr(said, key))}" for key in keys if key in {"null_if_empty", "nul", "bad_utf8"}]
    return ", ".join(dict.fromkeys(parts))
