"""Rows into a table that was there before: Arrow into a temporary table, then INSERT … ON CONFLICT."""

from __future__ import annotations

import uuid
from typing import Any

import adbc_driver_manager
import pyarrow as pa

from shared.quoting import qualified, quote, quote_list
from shared.records.plan import LoadPath, OnConflict, TablePlan, TargetColumn, TypeKind
from shared.target.application_path import application_path
from shared.target.convert import written
from shared.target.copy_writer import copy_failure, refuse_lossy_jsonb
from shared.target.key_forms import is_loose

_HELD = "held"
"""The alias of the target's own row, beside PostgreSQL's name `excluded` for the one that was to be inserted."""


def upsert(connection: Any, rows: pa.Table, plan: TablePlan) -> int:
    """Write rows in wire types into a table that may hold some of them; equal rows are not rewritten.

    Part of the caller's transaction. Returns how many of the rows the target holds now because of this call or
    held already.

    Raises:
        NotArrowableError: where PostgreSQL refuses a value or a row; the transaction can only be rolled back.
        ConvoyError: anything else, as `translate_error` says.
    """
    refuse_lossy_jsonb(rows, plan)
    stage = f"pgconvoy_stage_{uuid.uuid4().hex}"
    columns = quote_list(column.name for column in written(plan.columns))
    try:
        with connection.cursor() as cursor:
            cursor.execute(application_path(plan))
            cursor.execute(
                f"CREATE TEMPORARY TABLE {quote(stage)} ON COMMIT DROP AS"
                f" SELECT {columns} FROM {qualified(plan.schema, plan.name)} WITH NO DATA"
            )
            cursor.adbc_ingest(stage, rows, mode="append", temporary=True)
            cursor.execute(f"{insert_head(plan)} SELECT {columns} FROM pg_temp.{quote(stage)} {conflict_clause(plan)}")
    except adbc_driver_manager.Error as error:
        raise copy_failure(error, plan) from error
    return int(rows.num_rows)


def insert_head(plan: TablePlan) -> str:
    """Render an INSERT up to where its rows begin; it may write identity columns, GENERATED ALWAYS ones too."""
    columns = quote_list(column.name for column in written(plan.columns))
    return f"INSERT INTO {qualified(plan.schema, plan.name)} AS {_HELD} ({columns}) OVERRIDING SYSTEM VALUE"


def conflict_clause(plan: TablePlan) -> str:
    """Render what becomes of a row whose key is there; empty where that is an error or there is no key to match.

    Columns that PostgreSQL lets nobody update are neither set nor a reason to write a row. A part of the key is set
    where it can be another text than the one that it is in conflict with ('A' and 'a', both citext).
    """
    if plan.load is LoadPath.BARE or plan.on_conflict is OnConflict.FAIL or not plan.match_key:
        return ""
    target = f"ON CONFLICT ({quote_list(plan.match_key)})"
    others = changeable(plan)
    if plan.on_conflict is OnConflict.SKIP or not others:
        return f"{target} DO NOTHING"
    changes = ", ".join(f"{quote(column.name)} = excluded.{quote(column.name)}" for column in others)
    held = ", ".join(_comparable(_HELD, column) for column in others)
    new = ", ".join(_comparable("excluded", column) for column in others)
    return f"{target} DO UPDATE SET {changes} WHERE ROW({held}) IS DISTINCT FROM ROW({new})"


def changeable(plan: TablePlan) -> tuple[TargetColumn, ...]:
    """The columns that a row under a key that is there may have new values in."""
    return tuple(
        each
        for each in written(plan.columns)
        if not each.insert_only and (each.name not in plan.match_key or is_loose(each))
    )


def _comparable(row: str, column: TargetColumn) -> str:
    """Render a column so that only the very same value is equal to it.

    Reals compare by their bytes (0.0 and -0.0 are equal to PostgreSQL); text by its characters, whatever the
    collation or citext think; json and many other types have no equality operator at all.
    """
    name = f"{row}.{quote(column.name)}"
    match column.type.kind:
        case TypeKind.DOUBLE:
            return f"pg_catalog.float8send({name})"
        case TypeKind.REAL:
            return f"pg_catalog.float4send({name})"
        case TypeKind.TEXT | TypeKind.JSON | TypeKind.OTHER:
            return f'{name}::pg_catalog.text COLLATE pg_catalog."C"'
        case _:
            return name
