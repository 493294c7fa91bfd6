"""Many tables tried in a few statements: PostgreSQL takes most plans as they are, and says so of many parts at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from shared.errors import ConvoyError
from shared.records.plan import TablePlan
from shared.target import ddl
from shared.target.statements import Refusal
from shared.target.trials.trial import Trial

_TABLES: Final = 25
"""Tables a statement. Measured on 500 tables: a tenth of the time that one statement a part takes; where PostgreSQL
refuses one part, so many tables are tried anew, part by part."""


def batches_of(tables: Sequence[TablePlan]) -> Iterator[Sequence[TablePlan]]:
    """Cut tables into as many as are tried at once."""
    return (tables[first : first + _TABLES] for first in range(0, len(tables), _TABLES))


def takes_whole(trial: Trial, tables: Sequence[TablePlan]) -> bool:
    """Make tables with all that is built on them but for foreign keys; nothing of them is left where it says False.

    Raises:
        UntriableError: where the server allows nothing of the kind.
        ConvoyError: where the connection is lost.
    """
    lasting = [sql for table in tables for sql in _lasting(table)]
    passing = [sql for table in tables for sql in _passing(table)]
    what = f"making table {tables[0].name}{' and others' if len(tables) > 1 else ''}" if tables else ""
    with trial.connection.begin_nested() as savepoint:
        taken = _passes(trial.make, trial, what, lasting) and _passes(trial.probe, trial, what, passing)
        if not taken:
            savepoint.rollback()
    return taken


def takes_foreign_keys(trial: Trial, tables: Sequence[TablePlan]) -> bool:
    """Try the foreign keys of tables, all of whose parents were made; they are taken back."""
    keys = [ddl.foreign_key(table, key, not_valid=False) for table in tables for key in table.foreign_keys]
    return _passes(trial.probe, trial, "adding foreign keys", keys)


def _passes(how: Callable[[str, str], Refusal | None], trial: Trial, what: str, statements: Sequence[str]) -> bool:
    """Whether PostgreSQL takes statements, and the moment allowed it to say so."""
    try:
        return not statements or how(";\n".join(statements), what) is None
    except ConvoyError as error:
        trial.refuse_unpassing(error)
        return False


def _lasting(table: TablePlan) -> Iterator[str]:
    """What others may refer to."""
    yield ddl.create_table(table)
    primary_key = ddl.primary_key(table)
    if primary_key is not None:
        yield primary_key
    yield from (ddl.unique_key(table, key) for key in table.unique_keys)
    yield from (ddl.index(table, index) for index in table.indexes if index.unique)
    for search in table.search:
        yield ddl.search_column(table, search)
        yield ddl.search_index(table, search)


def _passing(table: TablePlan) -> Iterator[str]:
    """What is taken back at once, with the locks that it took."""
    yield from (ddl.index(table, index) for index in table.indexes if not index.unique)
    yield from (ddl.check(table, check, not_valid=False) for check in table.checks)
    identities = (ddl.identity(table, column) for column in table.columns if column.identity)
    yield from (sql for sql in identities if sql is not None)
