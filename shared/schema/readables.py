"""The job's tables and views, as SELECTs find them."""

from __future__ import annotations

from shared.quoting import qualified
from shared.records.source import ObjectKind
from shared.schema.columns import PlannedColumns
from shared.schema.dialect.scope import UntranslatableError
from shared.schema.foreign_keys import Neighbour
from shared.schema.names import fold
from shared.schema.queries.readable import Readable
from shared.schema.table_scope import own_scope
from shared.schema.world import World


def readable_table(neighbour: Neighbour, schema: str) -> Readable:
    """A table of the job."""
    draft, plan = neighbour.draft, neighbour.plan
    (own,) = own_scope(draft, PlannedColumns(columns=plan.columns, grades=())).relations
    there = {fold(column.source) for column in own.columns}
    return Readable(
        target=qualified(schema, plan.name),
        columns=own.columns,
        rowid=own.rowid,
        primary_key=tuple(fold(name) for name in draft.table.primary_key) if plan.primary_key is not None else (),
        left_out=frozenset({fold(column.name) for column in draft.table.columns} - there)
        | frozenset(fold(name) for name in draft.left_out),
        needs=(plan.name,),
    )


def find_table(name: str, world: World) -> Readable:
    """Find a table of the job by its name in the source.

    Raises:
        UntranslatableError: where the job has none, with the reason.
    """
    neighbour = world.neighbours.get(fold(name))
    if neighbour is not None:
        return readable_table(neighbour, world.schema)
    kinds = {fold(each.name): each.kind for each in world.catalog.objects}
    if fold(name) in {fold(table.name) for table in world.catalog.tables}:
        msg = f"it reads the table {name}, which is not part of this job"
    elif kinds.get(fold(name)) in {ObjectKind.VIRTUAL_TABLE, ObjectKind.SHADOW_TABLE}:
        msg = f"it reads the {kinds[fold(name)]} {name}, which the target does not have"
    elif kinds.get(fold(name)) is ObjectKind.VIEW:
        msg = f"it reads the view {name}, which is not in the target"
    else:
        msg = f"it reads {name}, which does not exist in the source"
    raise UntranslatableError(msg)
