"""What the expressions of a table's own CHECKs, indexes and generated columns may name."""

from __future__ import annotations

from shared.records.plan import TargetColumn
from shared.records.source import StorageClass
from shared.schema.columns import PlannedColumns
from shared.schema.declared import read_declared
from shared.schema.dialect.scope import Named, Relation, Scope
from shared.schema.drafts import Draft


def own_scope(draft: Draft, columns: PlannedColumns) -> Scope:
    """The scope of a table's own columns, its rowid among them where it is one of them."""
    named = tuple(_named(draft, column) for column in columns.columns)
    rowid = next((each for each in named if each.source == draft.table.rowid_column), None)
    relation = Relation(alias=draft.table.name, target="", columns=named, rowid=rowid, left_out=draft.left_out)
    return Scope(relations=(relation,))


def _named(draft: Draft, target: TargetColumn) -> Named:
    source = next(each for each in draft.table.columns if each.name == target.source)
    return Named(
        source=source.name,
        name=target.name,
        type=target.type,
        affinity=read_declared(source.declared_type, strict=draft.table.strict).affinity,
        collation=source.collation,
        not_null=target.not_null,
        classes=classes_of(target),
    )


def classes_of(column: TargetColumn) -> tuple[StorageClass, ...]:
    """The storage classes of a column's values, as expressions of the source compare them.

    Numbers or texts that a rule makes moments of are no longer what such an expression means, so they count as any.
    """
    return column.classes if column.treatment.form is None else tuple(StorageClass)
