"""Rows into a table that this job made: one binary COPY of Arrow columns."""

from __future__ import annotations

from typing import Any

import adbc_driver_manager
import pyarrow as pa

from shared.errors import ConvoyError, NotArrowableError
from shared.records.plan import TablePlan
from shared.target.driver_errors import is_data_error, said_by, translate_error
from shared.target.quoting import qualified


def write_bare(connection: Any, rows: pa.Table, plan: TablePlan) -> int:
    """COPY rows in wire types (`shared.target.convert`) into the plan's table, inside the caller's transaction.

    Returns how many rows PostgreSQL took.

    Raises:
        NotArrowableError: where PostgreSQL refuses a value or a row; the transaction can only be rolled back.
        ConvoyError: anything else, as `translate_error` says.
    """
    try:
        with connection.cursor() as cursor:
            taken = cursor.adbc_ingest(plan.name, rows, mode="append", db_schema_name=plan.schema)
    except adbc_driver_manager.Error as error:
        raise copy_failure(error, plan) from error
    return int(taken) if taken >= 0 else int(rows.num_rows)


def copy_failure(error: adbc_driver_manager.Error, plan: TablePlan) -> ConvoyError:
    """Tell values that need the careful path from all other failures of a COPY."""
    if is_data_error(error):
        return refused_values(said_by(error), plan)
    return translate_error(error, what=f"copying into {qualified(plan.schema, plan.name)}")


def refused_values(finding: str, plan: TablePlan) -> NotArrowableError:
    """Say which table did not take which values."""
    return NotArrowableError(f"{qualified(plan.schema, plan.name)} did not take the rows as Arrow: {finding}")
