"""What the operator's rules say of each table and column of a source; a later rule wins, key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from shared.records.plan import JobOptions, TargetType
from shared.records.rules import BadTextPolicy, NulPolicy, Rule, SourceForm, Treatment
from shared.records.source import SourceCatalog, SourceColumn, SourceTable
from shared.schema.names import fold
from shared.schema.postgres_types import read_type
from shared.schema.rules.checks import MOMENTS, check_rule, refuse_rule, refuse_unmatched
from shared.schema.rules.given_names import refuse_shared_names
from shared.schema.rules.wildcards import matches

FILE: Final = "pgconvoy.toml"
"""Where rules are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What rules say of one column."""

    name: str | None = None
    exclude: bool = False
    type: TargetType | None = None
    form: SourceForm | None = None
    null_if_empty: bool = False
    nul: NulPolicy = NulPolicy.REJECT
    bad_utf8: BadTextPolicy = BadTextPolicy.REJECT
    by: Mapping[str, int] = field(default_factory=dict)
    """The number of the rule that said it, by key."""

    def rule(self, *keys: str) -> str:
        """Name the rules that said something, for people: ``rule 2 of pgconvoy.toml``."""
        numbers = sorted({self.by[key] for key in keys if key in self.by})
        named = " and ".join(str(number) for number in numbers)
        return f"rule{'s' if len(numbers) > 1 else ''} {named} of {FILE}"

    @property
    def treatment(self) -> Treatment:
        """What is done to the column's values."""
        return Treatment(form=self.form, null_if_empty=self.null_if_empty, nul=self.nul, bad_utf8=self.bad_utf8)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSaid:
    """What rules say of one table."""

    name: str | None = None
    columns: Mapping[str, Said] = field(default_factory=dict)
    """By folded name; those that rules say nothing of are missing."""

    def of(self, column: str) -> Said:
        """What rules say of a column, by its name as SQLite compares names."""
        return self.columns.get(fold(column), _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """Every rule, brought together with what the source holds."""

    tables: Mapping[str, TableSaid] = field(default_factory=dict)
    """By folded name; those that rules say nothing of are missing."""
    excluded: tuple[str, ...] = ()
    """Tables that a rule leaves out."""

    def of(self, table: str) -> TableSaid:
        """What rules say of a table and its columns."""
        return self.tables.get(fold(table), _NO_TABLE)

    def without_excluded(self, options: JobOptions) -> JobOptions:
        """Leave the tables out that rules exclude, as --exclude does."""
        return replace(options, exclude=(*options.exclude, *self.excluded))


def read_rules(catalog: SourceCatalog, rules: Sequence[Rule], *, preserve: bool = False) -> RuleBook:
    """Bring rules together with the tables and columns that they are about, whatever tables a job copies.

    `preserve` says that names which no rule gives stay as they are.

    Raises:
        OperatorError: for the first rule that matches nothing, contradicts itself or an earlier one, or would give two
            tables or two columns of a table one name; it says which rule, and what to do.
    """
    for number, rule in enumerate(rules, start=1):
        check_rule(number, rule)
        refuse_unmatched(number, rule, catalog)
    said = {fold(table.name): _table(table, rules) for table in catalog.tables}
    excluded = tuple(table.name for table in catalog.tables if any(_excludes(rule, table) for rule in rules))
    kept = {table.name: said[fold(table.name)].name for table in catalog.tables if table.name not in excluded}
    refuse_shared_names("the tables", kept, preserve=preserve)
    for table in catalog.tables:
        if table.name not in excluded:
            _refuse_unusable(table, said[fold(table.name)], preserve=preserve)
    return RuleBook(tables={name: each for name, each in said.items() if each != _NO_TABLE}, excluded=excluded)


def _excludes(rule: Rule, table: SourceTable) -> bool:
    return rule.exclude and rule.column is None and matches(rule.table, table.name)


def _table(table: SourceTable, rules: Sequence[Rule]) -> TableSaid:
    about = [(number, rule) for number, rule in enumerate(rules, start=1) if matches(rule.table, table.name)]
    names = [rule.name for _, rule in about if rule.column is None and rule.name is not None]
    said = {fold(column.name): _column(column, about) for column in table.columns}
    return TableSaid(
        name=names[-1] if names else None, columns={name: each for name, each in said.items() if each != _NOTHING}
    )


def _column(column: SourceColumn, about: Sequence[tuple[int, Rule]]) -> Said:
    values: dict[str, object] = {}
    by: dict[str, int] = {}
    for number, rule in about:
        if rule.column is not None and not matches(rule.column, column.name):
            continue
        for key, value in _settings(rule):
            values[key] = value
            by[key] = number
    return Said(**values, by=by)  # type: ignore[arg-type]  # each key with a value of its own type


def _settings(rule: Rule) -> Iterator[tuple[str, object]]:
    """What a rule says of a column that it is about. Without a column, name and exclude are the table's."""
    if rule.column is not None and rule.name is not None:
        yield "name", rule.name
    if rule.column is not None and rule.exclude:
        yield "exclude", True
    if rule.type is not None:
        yield "type", read_type(rule.type)
    for key in ("form", "null_if_empty", "nul", "bad_utf8"):
        value = getattr(rule, key)
        if value is not None:
            yield key, value


def _refuse_unusable(table: SourceTable, said: TableSaid, *, preserve: bool) -> None:
    kept = [column.name for column in table.columns if not said.of(column.name).exclude]
    if not kept:
        numbers = {said.of(column.name).by["exclude"] for column in table.columns}
        text = f"leaves no column of table {table.name!r}: to leave the table out, write a rule with its name alone"
        refuse_rule(max(numbers), text)
    for name in kept:
        _refuse_form(table, name, said.of(name))
    refuse_shared_names(
        f"columns of table {table.name!r}", {name: said.of(name).name for name in kept}, preserve=preserve
    )


def _refuse_form(table: SourceTable, column: str, said: Said) -> None:
    if said.form is None:
        return
    if said.type is not None and said.type.kind not in MOMENTS:
        text = (
            f"gives {table.name}.{column} the form {said.form}, which makes moments of its values, and "
            f"rule {said.by['type']} the type {said.type.sql}, which is none: leave one of them out, or narrow it down"
        )
        refuse_rule(said.by["form"], text)


_NOTHING: Final = Said()
_NO_TABLE: Final = TableSaid()
