"""What a key of the source becomes: a constraint of plain columns, a unique index, or both."""

from __future__ import annotations

from dataclasses import dataclass

from shared.quoting import quote
from shared.records.plan import TargetColumn, TypeKind
from shared.records.source import IndexOrigin, ObjectKind, SourceIndex
from shared.schema.collation_terms import Folding, folding_of, key_term, known
from shared.schema.columns import PlannedColumns
from shared.schema.drafts import Draft
from shared.schema.names import fold
from shared.schema.written import WrittenNames, read_names


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedKey:
    """A key of the source."""

    kind: ObjectKind
    label: str
    """How grades name it."""
    columns: tuple[str, ...]
    collations: tuple[str, ...]
    index: SourceIndex | None = None
    name: str | None = None
    """What the source calls it."""

    @property
    def is_created(self) -> bool:
        """Whether CREATE INDEX made it."""
        return self.index is not None and self.index.origin is IndexOrigin.CREATED


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShape:
    """How the target keeps a key."""

    constraint: bool = True
    """Whether there is a constraint of the plain columns."""
    terms: tuple[str, ...] = ()
    """The unique index that compares as the source does, where plain columns do not."""
    descending: tuple[bool, ...] = ()
    """The directions of a unique index of plain columns, which a constraint cannot have."""
    reasons: tuple[str, ...] = ()


def is_key(index: SourceIndex) -> bool:
    """Whether an index is a key of its table: unique, of plain columns, and of all rows."""
    return index.unique and not index.partial and all(column.name is not None for column in index.columns)


def wanted_keys(draft: Draft) -> list[WantedKey]:
    """The keys of a table, the primary key first."""
    table, written = draft.table, read_names(draft.table.sql)
    unique = [each for each in table.indexes if is_key(each) and each.origin is not IndexOrigin.PRIMARY_KEY]
    primary = WantedKey(
        kind=ObjectKind.PRIMARY_KEY,
        label=f"({', '.join(table.primary_key)})",
        columns=table.primary_key,
        collations=_primary_collations(draft),
        name=written.primary_key,
    )
    return [*([primary] if table.primary_key else []), *(_wanted(index, written) for index in unique)]


def shape_of(draft: Draft, columns: PlannedColumns, wanted: WantedKey) -> KeyShape:
    """Choose how the target keeps a key.

    Texts that NOCASE or RTRIM tells apart differ in their bytes, so a constraint of the plain columns holds besides
    the index that compares as the source does. It is made where the key's collations are the columns' own, as SQLite
    demands of what foreign keys refer to, and PostgreSQL of what they and ON CONFLICT name.
    """
    pairs = [(columns.of(name), each) for name, each in zip(wanted.columns, wanted.collations, strict=True)]
    unknown = sorted({each for column, each in pairs if column.type.kind is TypeKind.TEXT and not known(each)})
    if unknown:
        laxer = f"PostgreSQL's is laxer: it tells texts apart that {' and '.join(unknown)} takes for equal"
        return KeyShape(reasons=(laxer,))
    terms = [key_term(column, collation) for column, collation in pairs]
    if not any(terms):
        return _directed(wanted) if _is_mixed(wanted) else KeyShape()
    return _collated(draft, pairs, wanted, tuple(dict.fromkeys(_shown(*each) for each in pairs)))


def _shown(column: TargetColumn, collation: str) -> str:
    return key_term(column, collation) or quote(column.name)


def _collated(
    draft: Draft, pairs: list[tuple[TargetColumn, str]], wanted: WantedKey, terms: tuple[str, ...]
) -> KeyShape:
    own = {fold(column.name): column.collation.upper() for column in draft.table.columns}
    as_columns = all(own[fold(column.source)] == collation.upper() for column, collation in pairs)
    folds = any(folding_of(column) is not Folding.NONE for column, _ in pairs)
    both = as_columns and not folds
    reason = f"a unique index on {', '.join(terms)}, which is equal where SQLite says so"
    besides = "; besides it a key of the plain columns, which foreign keys and ON CONFLICT can name" if both else ""
    if wanted.kind is ObjectKind.PRIMARY_KEY and not both:
        besides = "; PostgreSQL has no primary key of such terms"
    return KeyShape(constraint=both, terms=terms, reasons=(reason + besides,))


def _is_mixed(wanted: WantedKey) -> bool:
    """Whether some columns ascend and some descend, so that reading backwards does not give the source's order."""
    return wanted.is_created and wanted.index is not None and len({c.descending for c in wanted.index.columns}) > 1


def _directed(wanted: WantedKey) -> KeyShape:
    index = wanted.index
    directions = {} if index is None else {fold(c.name or ""): c.descending for c in reversed(index.columns)}
    names = dict.fromkeys(map(fold, wanted.columns))
    return KeyShape(constraint=False, descending=tuple(directions[name] for name in names))


def _wanted(index: SourceIndex, written: WrittenNames) -> WantedKey:
    names = tuple(column.name for column in index.columns if column.name is not None)
    created = index.origin is IndexOrigin.CREATED
    return WantedKey(
        kind=ObjectKind.UNIQUE_KEY,
        label=index.name if created else f"({', '.join(names)})",
        columns=names,
        collations=tuple(column.collation for column in index.columns),
        index=index,
        name=index.name if created else written.unique.get(tuple(map(fold, names))),
    )


def _primary_collations(draft: Draft) -> tuple[str, ...]:
    for index in draft.table.indexes:
        if index.origin is IndexOrigin.PRIMARY_KEY:
            return tuple(column.collation for column in index.columns)
    positions = (draft.position(name) for name in draft.table.primary_key)
    return tuple(draft.table.columns[position].collation for position in positions if position is not None)
