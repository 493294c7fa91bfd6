"""What the names in a piece of SQL stand for, and what a translation of it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.records.plan import TargetType
from shared.records.source import StorageClass
from shared.schema.declared import Affinity
from shared.schema.names import fold


class UntranslatableError(ValueError):
    """A piece of SQL has no translation that is known to mean the same; the text says what and why, in a clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A column that an expression may name."""

    source: str
    """Its name in the source."""
    name: str
    """Its name in the target, unquoted."""
    type: TargetType
    affinity: Affinity = Affinity.BLOB
    """What SQLite turns values into that are compared with it; BLOB for a result that has none."""
    collation: str = "BINARY"
    """The source's collation of it."""
    not_null: bool = False
    classes: tuple[StorageClass, ...] | None = None
    """The storage classes that its values have in the source, NULL aside; None: those of its type."""
    inlined: str = ""
    """The target's SQL that stands for it where its name may not: what a generated column is computed from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, view or subquery that columns may be named after."""

    alias: str
    """What it goes by in the source's SQL: its alias, or its name."""
    target: str
    """How the target's SQL qualifies its columns, quoted where needed; empty: columns stand alone."""
    columns: tuple[Named, ...]
    rowid: Named | None = None
    """What rowid, oid and _rowid_ stand for, where the target has it."""
    left_out: frozenset[str] = frozenset()
    """Folded names of columns that the source has and the target has not: SQLite takes no such name for a text."""

    def find(self, column: str) -> Named | None:
        """Find a column by its name as SQLite compares names."""
        if self.rowid is not None and fold(column) in {"rowid", "oid", "_rowid_"}:
            own = next((each for each in self.columns if fold(each.source) == fold(column)), None)
            return own or self.rowid
        return next((each for each in self.columns if fold(each.source) == fold(column)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The relations that an expression sees, innermost first."""

    relations: tuple[Relation, ...]
    outer: Scope | None = None
    """What a correlated subquery sees besides."""
    version: int = 0
    """The target's server_version_num; 0: not known, so that nothing is used that older servers have not."""

    def leaves_out(self, column: str) -> bool:
        """Whether a name may be that of a column which the target does not have."""
        here = any(fold(column) in relation.left_out for relation in self.relations)
        return here or (self.outer is not None and self.outer.leaves_out(column))


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """An expression in PostgreSQL's terms."""

    sql: str
    type: TargetType | None
    """None: an untyped literal or NULL, which takes the type of where it stands."""
    doubts: tuple[str, ...] = ()
    """How it may differ from what SQLite computes, a clause each; empty: it is exact."""
    immutable: bool = True
    """Whether it may stand in an index or a generated column."""


def only(columns: Sequence[Named], *, version: int = 0) -> Scope:
    """A scope of one unnamed relation: what a CHECK, a default or an index sees of its own table."""
    return Scope(relations=(Relation(alias="", target="", columns=tuple(columns)),), version=version)
