"""Which rights on tables that were there before a job lacks, asked before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, text

from shared.errors import OperatorError
from shared.quoting import quote
from shared.records.plan import LoadPath, OnConflict, TablePlan
from shared.target.convert import written
from shared.target.ddl import table_name
from shared.target.key_forms import is_loose

# A right on the whole table is one on each of its columns; rights on the columns alone serve as well.
_ON_COLUMNS: Final = text("""
    SELECT count(*) FROM unnest(CAST(:columns AS text[])) AS c (name)
     WHERE NOT pg_catalog.has_column_privilege(CAST(:table AS text), c.name, CAST(:right AS text))
""")
_SEQUENCE: Final = text("""
    SELECT named.sequence FROM (SELECT coalesce(CAST(:sequence AS text),
           pg_catalog.pg_get_serial_sequence(CAST(:table AS text), CAST(:column AS text))) AS sequence) AS named
     WHERE named.sequence IS NOT NULL
       AND NOT (pg_catalog.has_sequence_privilege(named.sequence, 'SELECT')
                AND pg_catalog.has_sequence_privilege(named.sequence, 'UPDATE'))
""")
_ROLE: Final = text("SELECT current_user::text")


def refuse_missing_rights(connection: Connection, tables: Sequence[TablePlan]) -> None:
    """Refuse tables that were there before and that this role may not read, write to or count on from.

    Raises:
        OperatorError: the statements that give what is missing, all of them.
    """
    missing = [grant for plan in tables if not plan.creates for grant in _missing(connection, plan)]
    if missing:
        role = quote(str(connection.execute(_ROLE).scalar_one()))
        grants = "; ".join(f"GRANT {grant} TO {role}" for grant in missing)
        msg = f"the target's role {role} lacks rights on tables that are there already: {grants}"
        raise OperatorError(msg)


def _missing(connection: Connection, plan: TablePlan) -> Iterator[str]:
    """What follows GRANT."""
    name = table_name(plan)
    needed = {
        "SELECT": [column.name for column in plan.columns],
        "INSERT": [column.name for column in written(plan.columns)],
        "UPDATE": _updated(plan),
    }
    lacking = [
        right
        for right, columns in needed.items()
        if connection.execute(_ON_COLUMNS, {"table": name, "columns": columns, "right": right}).scalar_one()
    ]
    if lacking:
        yield f"{', '.join(lacking)} ON {name}"
    for column in plan.columns:
        if column.identity:
            place = {"table": name, "column": column.name, "sequence": column.sequence}
            for sequence in connection.execute(_SEQUENCE, place).scalars():
                yield f"SELECT, UPDATE ON SEQUENCE {sequence}"


def _updated(plan: TablePlan) -> list[str]:
    """The columns that an upsert sets in a row that is there (see `shared.target.upsert.changeable`)."""
    if plan.load is LoadPath.BARE or plan.on_conflict is not OnConflict.UPDATE or not plan.match_key:
        return []
    settable = [column for column in written(plan.columns) if not column.insert_only]
    return [column.name for column in settable if column.name not in plan.match_key or is_loose(column)]
