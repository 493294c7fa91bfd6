"""One table tried on PostgreSQL, with all that is built on it; what is refused is left out and graded."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from shared.errors import ConvoyError
from shared.records.plan import (
    CheckPlan,
    CompareBy,
    ForeignKeyPlan,
    Grade,
    GradedAs,
    IndexPlan,
    KeyPlan,
    SearchPlan,
    TablePlan,
    TargetColumn,
)
from shared.records.source import ObjectKind
from shared.target import ddl
from shared.target.trials.columns import without_refused
from shared.target.trials.trial import Trial, UntriableError

_NO_RIGHT: Final = "42501"


def table_as_taken(trial: Trial, table: TablePlan) -> TablePlan:
    """Make a table, its keys, indexes, checks, search and identities; returns it as PostgreSQL takes it.

    Raises:
        OperatorError: where PostgreSQL takes it in no form.
        UntriableError: where the role may make no tables there.
    """
    what = f"making table {table.name}"
    try:
        refused = trial.make(ddl.create_table(table), what)
        if refused is not None and refused.state == _NO_RIGHT:
            raise UntriableError(refused.reason)
        if refused is not None:
            table = without_refused(table, trial.probe, trial.outcomes)
            trial.make(ddl.create_table(table), what)
    except ConvoyError as error:
        trial.note(what, error)
        trial.untried.add(table.name)
        return table
    return _with_identities(trial, _with_search(trial, _with_checks(trial, _with_keys(trial, table))))


def with_foreign_keys(trial: Trial, table: TablePlan) -> TablePlan:
    """Try a table's foreign keys, when all tables are there."""
    return replace(table, foreign_keys=tuple(key for key in table.foreign_keys if _foreign_key(trial, table, key)))


def _with_keys(trial: Trial, table: TablePlan) -> TablePlan:
    sql = ddl.primary_key(table)
    if table.primary_key is not None and sql is not None and not _key(trial, table, table.primary_key, sql):
        table = replace(_unmatched(table, table.primary_key.columns), primary_key=None)
    keys = tuple(key for key in table.unique_keys if _key(trial, table, key, ddl.unique_key(table, key)))
    indexes = tuple(index for index in table.indexes if _index(trial, table, index))
    lost: list[KeyPlan | IndexPlan] = [*(set(table.unique_keys) - set(keys)), *(set(table.indexes) - set(indexes))]
    for each in lost:
        if not isinstance(each, IndexPlan) or each.unique:
            table = _unmatched(table, each.columns)
    return replace(table, unique_keys=keys, indexes=indexes)


def _unmatched(table: TablePlan, columns: tuple[str, ...]) -> TablePlan:
    """The table without a key: where rows were to be looked up by it, they are compared as a whole."""
    if table.match_key != columns:
        return table
    return replace(table, match_key=(), compare_by=CompareBy.MULTISET)


def _key(trial: Trial, table: TablePlan, key: KeyPlan, sql: str) -> bool:
    kind = ObjectKind.PRIMARY_KEY if key is table.primary_key else ObjectKind.UNIQUE_KEY
    graded_as = key.graded_as or GradedAs(kind=kind, name=key.name)
    what = f"building {kind} {key.name} of table {table.name}"
    return trial.takes(sql, what, graded_as, table.read.table, keep=True)


def _index(trial: Trial, table: TablePlan, index: IndexPlan) -> bool:
    graded_as = index.graded_as or GradedAs(kind=ObjectKind.INDEX, name=index.name)
    what = f"building index {index.name} of table {table.name}"
    # Those that nothing can refer to are taken back: a thousand tables would run into max_locks_per_transaction.
    return trial.takes(ddl.index(table, index), what, graded_as, table.read.table, keep=index.unique)


def _with_checks(trial: Trial, table: TablePlan) -> TablePlan:
    return replace(table, checks=tuple(check for check in table.checks if _check(trial, table, check)))


def _check(trial: Trial, table: TablePlan, check: CheckPlan) -> bool:
    graded_as = check.graded_as or GradedAs(kind=ObjectKind.CHECK, name=check.name)
    what = f"adding check {check.name} to table {table.name}"
    return trial.takes(ddl.check(table, check, not_valid=False), what, graded_as, table.read.table)


def _with_search(trial: Trial, table: TablePlan) -> TablePlan:
    return replace(table, search=tuple(search for search in table.search if _search(trial, table, search)))


def _search(trial: Trial, table: TablePlan, search: SearchPlan) -> bool:
    graded_as = search.graded_as or GradedAs(kind=ObjectKind.VIRTUAL_TABLE, name=search.column)
    what = f"adding search column {search.column} to table {table.name}"
    statements = ddl.search_column(table, search), ddl.search_index(table, search)
    # What is searched is a virtual table of the source, which belongs to no table.
    return trial.takes(statements, what, graded_as, None, keep=True)


def _with_identities(trial: Trial, table: TablePlan) -> TablePlan:
    columns = (
        replace(column, identity=column.identity and _identity(trial, table, column)) for column in table.columns
    )
    return replace(table, columns=tuple(columns))


def _identity(trial: Trial, table: TablePlan, column: TargetColumn) -> bool:
    sql = ddl.identity(table, column)
    graded_as = GradedAs(kind=ObjectKind.COLUMN, name=column.source)
    what = f"letting column {column.name} of table {table.name} go on as an identity"
    return sql is None or trial.takes(sql, what, graded_as, table.read.table, grade=Grade.APPROXIMATED)


def _foreign_key(trial: Trial, table: TablePlan, key: ForeignKeyPlan) -> bool:
    if key.parent in trial.untried:
        return True
    graded_as = key.graded_as or GradedAs(kind=ObjectKind.FOREIGN_KEY, name=key.name)
    what = f"adding foreign key {key.name} to table {table.name}"
    return trial.takes(ddl.foreign_key(table, key, not_valid=False), what, graded_as, table.read.table)
