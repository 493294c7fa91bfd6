"""Tables that are in the target already, as introspection found them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from shared.records.plan import KeyPlan, SetAsideKey, SetAsideTrigger, TargetType


class RelationKind(enum.StrEnum):
    """What stands under a name in the target's schema, in words for people."""

    TABLE = "table"
    PARTITIONED_TABLE = "partitioned table"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized view"
    FOREIGN_TABLE = "foreign table"
    SEQUENCE = "sequence"
    INDEX = "index"
    COMPOSITE_TYPE = "composite type"
    TYPE = "type"
    OTHER = "relation of another kind"

    @property
    def takes_rows(self) -> bool:
        """Whether rows can be upserted into it."""
        return self in {RelationKind.TABLE, RelationKind.PARTITIONED_TABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAbilities:
    """What the target's server can do, as far as plans depend on it."""

    version: int = 160000
    """As server_version_num."""
    icu: bool = True
    """Whether collations of ICU can be made."""
    citext: bool = False
    """Whether the extension citext is there or can be made by the user."""
    citext_schema: str | None = None
    """The schema where citext is already; None: it would be made in the target schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingColumn:
    """One column of a table that was there before."""

    name: str
    type: TargetType
    """Of a domain: the type it is made from."""
    not_null: bool = False
    has_default: bool = False
    """Whether a row may leave it out: a default, an identity, a serial."""
    generated: bool = False
    """GENERATED ALWAYS AS (…): nobody may write it."""
    identity_always: bool = False
    """GENERATED ALWAYS AS IDENTITY: written only with OVERRIDING SYSTEM VALUE, and never updated."""
    has_sequence: bool = False
    """Whether it is an identity or a serial column, whose sequence has to follow the rows."""
    sequence: str | None = None
    """The sequence that its default takes values from without belonging to the column, as SQL names it; else None."""
    collation: str | None = None
    """As SQL names it, where it takes different texts for equal (a nondeterministic one of ICU's); else None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingTable:
    """What stands under a planned table's name in the target already."""

    schema: str
    name: str
    kind: RelationKind
    columns: tuple[ExistingColumn, ...] = ()
    primary_key: KeyPlan | None = None
    """None also where it is deferrable, so that ON CONFLICT cannot use it."""
    unique_keys: tuple[KeyPlan, ...] = ()
    """Those that ON CONFLICT can use: not partial, not deferrable, of plain columns."""
    has_rows: bool = False
    finish_with: str = ""
    """The command that finishes it, where the ledger says that a job of ours did not: ``producer requeue 7``."""
    estimated_rows: int | None = None
    """PostgreSQL's own estimate; None where it never looked."""
    owned: bool = True
    """Whether the role may alter it: it owns the table, or is a member of the role that does."""
    foreign_keys: tuple[SetAsideKey, ...] = ()
    """Those that PostgreSQL enforces and that refer to tables of the same schema."""
    triggers: tuple[SetAsideTrigger, ...] = ()
    """Those of its own that fire for ordinary sessions, not the ones behind constraints."""
    part_of: str | None = None
    """The table that it is a partition or a child of, as SQL names it: its rows are that table's, too."""
    extras: tuple[str, ...] = ()
    """What goes with it when it is dropped and no job makes, in words: ``the row security policy p``."""

    @property
    def keys(self) -> tuple[KeyPlan, ...]:
        """All keys that ON CONFLICT can use, the primary key first."""
        return (*(() if self.primary_key is None else (self.primary_key,)), *self.unique_keys)
