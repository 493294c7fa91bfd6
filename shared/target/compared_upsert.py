"""Rows into a table that was there before: compared with what it holds first, so that only what differs is written."""

from __future__ import annotations

from typing import Any

import adbc_driver_manager
import pyarrow as pa

from shared.records.keys import ChunkRange
from shared.records.plan import TablePlan
from shared.records.work import CopyPath
from shared.target.copy_writer import copy_failure
from shared.target.differing import differing
from shared.target.upsert import upsert


def upsert_compared(connection: Any, rows: pa.Table, plan: TablePlan, key_range: ChunkRange) -> tuple[int, CopyPath]:
    """Upsert a chunk; where most of its rows are in the target as they are, read those instead of writing them.

    What the table then holds is what `shared.target.upsert.upsert` alone leaves. Rows that were equal when they were
    read are left alone: nothing locks them, no trigger and no CHECK looks at them again. An application that changes
    or deletes one of them before this transaction commits comes after the copy, as it would have a moment later; its
    other changes meet the upsert, which decides by what is there when it writes. This holds in READ COMMITTED, which
    connections of `shared.target.connections` are in.

    Part of the caller's transaction.

    Returns:
        How many rows the target holds now because of this call or held already, and the path that they took.

    Raises:
        NotArrowableError, ConvoyError: as `upsert`.
    """
    try:
        others = differing(connection, rows, plan, key_range)
    except adbc_driver_manager.Error as error:
        raise copy_failure(error, plan) from error
    if others is None:
        return upsert(connection, rows, plan), CopyPath.ARROW_UPSERT
    if others.num_rows:
        upsert(connection, others, plan)
    return int(rows.num_rows), CopyPath.ARROW_COMPARED
