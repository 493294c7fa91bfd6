"""Rows into a table that this job made: one binary COPY of Arrow columns."""

from __future__ import annotations

from typing import Any, Final

import adbc_driver_manager
import pyarrow as pa

from shared.errors import ConvoyError, NotArrowableError
from shared.quoting import qualified
from shared.records.plan import TablePlan, TypeKind
from shared.target.application_path import application_path
from shared.target.convert import written
from shared.target.convert_texts import refuse_duplicate_names
from shared.target.driver_errors import is_data_error, said_by, sqlstate_of, translate_error
from shared.target.value_rules import UnfitError

_SAME_KEY_TWICE: Final = "21000"
"""ON CONFLICT DO UPDATE met two rows of one key; the careful path keeps the second as a reject."""


def write_bare(connection: Any, rows: pa.Table, plan: TablePlan) -> int:
    """COPY rows in wire types (`shared.target.convert`) into the plan's table, inside the caller's transaction.

    Returns how many rows PostgreSQL took.

    Raises:
        NotArrowableError: where PostgreSQL refuses a value or a row; the transaction can only be rolled back.
        ConvoyError: anything else, as `translate_error` says.
    """
    refuse_lossy_jsonb(rows, plan)
    try:
        with connection.cursor() as cursor:
            if not plan.creates:
                cursor.execute(application_path(plan))
            taken = cursor.adbc_ingest(plan.name, rows, mode="append", db_schema_name=plan.schema)
    except adbc_driver_manager.Error as error:
        raise copy_failure(error, plan) from error
    return int(taken) if taken >= 0 else int(rows.num_rows)


def refuse_lossy_jsonb(rows: pa.Table, plan: TablePlan) -> None:
    """Look for objects with one name twice in a table that was there before, or of which the profile saw a part.

    Nobody chose jsonb there after asking whether it holds every value. For other tables, the profile has answered
    that before.

    Raises:
        NotArrowableError: where there is one.
    """
    for column in written(plan.columns):
        if column.type.kind is TypeKind.JSONB and (plan.sampled or not plan.creates):
            try:
                refuse_duplicate_names(rows.column(column.name))
            except UnfitError as unfit:
                finding = f'column "{column.source}": a value {unfit.reason}'
                raise _refused_values(finding, plan) from None


def copy_failure(error: adbc_driver_manager.Error, plan: TablePlan) -> ConvoyError:
    """Tell values and rows that need the careful path from all other failures of a COPY or an upsert."""
    if is_data_error(error) or sqlstate_of(error) == _SAME_KEY_TWICE:
        return _refused_values(said_by(error), plan)
    return translate_error(error, what=f"copying into {qualified(plan.schema, plan.name)}")


def _refused_values(finding: str, plan: TablePlan) -> NotArrowableError:
    return NotArrowableError(f"{qualified(plan.schema, plan.name)} did not take the rows as Arrow: {finding}")
