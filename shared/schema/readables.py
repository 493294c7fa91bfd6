"""The job's tables and views, as SELECTs find them."""

from __future__ import annotations

from shared.records.source import ObjectKind
from shared.schema.declared import read_declared
from shared.schema.dialect.quoting import qualified
from shared.schema.dialect.readable import Readable
from shared.schema.dialect.scope import Named, UntranslatableError
from shared.schema.foreign_keys import Neighbour
from shared.schema.names import fold
from shared.schema.table_scope import classes_of
from shared.schema.world import World


def readable_table(neighbour: Neighbour, schema: str) -> Readable:
    """A table of the job."""
    table, plan = neighbour.draft.table, neighbour.plan
    columns = named_columns(neighbour)
    there = {fold(column.source) for column in columns}
    return Readable(
        target=qualified(schema, plan.name),
        columns=columns,
        rowid=next((each for each in columns if each.source == table.rowid_column), None),
        primary_key=tuple(fold(name) for name in table.primary_key) if plan.primary_key is not None else (),
        left_out=neighbour.draft.left_out | (frozenset(fold(column.name) for column in table.columns) - there),
        needs=(plan.name,),
    )


def named_columns(neighbour: Neighbour) -> tuple[Named, ...]:
    """The columns of a table, as expressions name them."""
    table = neighbour.draft.table
    sources = {fold(column.name): column for column in table.columns}
    return tuple(
        Named(
            source=column.source,
            name=column.name,
            type=column.type,
            affinity=read_declared(sources[fold(column.source)].declared_type, strict=table.strict).affinity,
            collation=sources[fold(column.source)].collation.upper(),
            not_null=column.not_null,
            classes=classes_of(column),
        )
        for column in neighbour.plan.columns
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
    else:
        msg = f"it reads {name}, which does not exist in the source"
    raise UntranslatableError(msg)
