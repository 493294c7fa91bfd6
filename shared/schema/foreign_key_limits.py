"""What a foreign key of PostgreSQL cannot be, though one of SQLite can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.records.plan import TablePlan
from shared.records.source import SourceForeignKey
from shared.schema.collation_terms import compare_alike
from shared.schema.drafts import Draft
from shared.schema.key_doubts import MAX_KEY_COLUMNS
from shared.schema.key_types import joinable
from shared.schema.names import fold

_ACTIONS: Final = frozenset({"NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"})
_GENERATED_ON_UPDATE: Final = frozenset({"NO ACTION", "RESTRICT"})
_GENERATED_ON_DELETE: Final = frozenset({"NO ACTION", "RESTRICT", "CASCADE"})
"""What PostgreSQL lets a foreign key of a generated column do: nothing that would write it."""


class RefusedKeyError(ValueError):
    """A foreign key that the target cannot have; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A table of the job, as foreign keys look at it."""

    draft: Draft
    plan: TablePlan

    def names_of(self, sources: Sequence[str]) -> tuple[str, ...] | None:
        """The target's names of source columns; None where one of them does not exist."""
        names = {fold(column.source): column.name for column in self.plan.columns}
        found = tuple(names.get(fold(source)) for source in sources)
        return tuple(name for name in found if name is not None) if None not in found else None


def action(written: str) -> str:
    """What PostgreSQL calls an action of SQLite."""
    upper = written.upper()
    return upper if upper in _ACTIONS else "NO ACTION"


def refuse_unusable(source: SourceForeignKey, parent: Neighbour, far: Sequence[str]) -> None:
    """Refuse what cannot be told, or cannot hold: columns, their number, rows of the parent that are not copied.

    Raises:
        RefusedKeyError: says why.
    """
    limit = parent.plan.row_limit
    msg = ""
    if not far:
        msg = f"it names no columns and its parent {parent.draft.table.name} has no primary key"
    elif len(source.columns) != len(far):
        msg = f"it has {len(source.columns)} columns and refers to {len(far)}"
    elif len(far) > MAX_KEY_COLUMNS:
        msg = f"it has {len(far)} columns and a key of PostgreSQL at most {MAX_KEY_COLUMNS}"
    elif len({fold(name) for name in source.columns}) < len(source.columns):
        msg = "it names a column twice, which PostgreSQL does not take"
    elif limit is not None and parent.draft.profile.rows > limit:
        msg = f"only the first {limit:,} rows of its parent {parent.draft.table.name} are copied"
    if msg:
        raise RefusedKeyError(msg)


def refuse_unless_key(parent: Neighbour, referred: Sequence[str]) -> None:
    """Refuse what refers to columns that no unique key of the target covers.

    Raises:
        RefusedKeyError: says why, and what to do.
    """
    keys = [key.columns for key in (parent.plan.primary_key, *parent.plan.unique_keys) if key is not None]
    keys += [index.columns for index in parent.plan.indexes if index.unique and index.columns and not index.where]
    if set(referred) not in [set(columns) for columns in keys] or len(set(referred)) < len(referred):
        msg = (
            f"no unique key of the target's {parent.plan.name} is just ({', '.join(referred)}), for all rows and by "
            "the columns' own collations, as PostgreSQL and SQLite demand: give it one, then add the key by hand"
        )
        raise RefusedKeyError(msg)


def refuse_unless_joinable(
    child: TablePlan, columns: Sequence[str], parent: TablePlan, referred: Sequence[str]
) -> None:
    """Refuse columns that PostgreSQL does not compare.

    Raises:
        RefusedKeyError: says why.
    """
    near = {column.name: column for column in child.columns}
    far = {column.name: column for column in parent.columns}
    for name, parent_name in zip(columns, referred, strict=True):
        if not joinable(near[name].type, far[parent_name].type):
            msg = f"{name} is {near[name].type.sql} and {parent_name} {far[parent_name].type.sql}, which do not compare"
            raise RefusedKeyError(msg)
        if not compare_alike(near[name], far[parent_name]):
            msg = (
                f"{name} and {parent_name} compare by different collations, which PostgreSQL does not take: give both "
                "the same in the target, then add the key by hand"
            )
            raise RefusedKeyError(msg)


def refuse_unwritable(child: TablePlan, columns: Sequence[str], source: SourceForeignKey) -> None:
    """Refuse actions that would write a generated column.

    Raises:
        RefusedKeyError: says why, and what to do.
    """
    generated = [column for column in child.columns if column.name in columns and column.generated is not None]
    msg = ""
    if any(column.generated is not None and not column.generated.stored for column in generated):
        msg = f"{generated[0].name} is generated when it is read (VIRTUAL), and PostgreSQL takes no foreign key of it"
    elif generated and (
        action(source.on_update) not in _GENERATED_ON_UPDATE or action(source.on_delete) not in _GENERATED_ON_DELETE
    ):
        msg = (
            f"{generated[0].name} is generated, and PostgreSQL takes no foreign key of it that would write it "
            f"(ON UPDATE {source.on_update}, ON DELETE {source.on_delete}): add one without these actions by hand"
        )
    if msg:
        raise RefusedKeyError(msg)
