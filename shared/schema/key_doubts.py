"""What may keep a planned key or index from being built, as its grade says beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from shared.schema.collation_terms import Folding, folding_of, key_term
from shared.schema.columns import PlannedColumns
from shared.schema.drafts import Draft
from shared.schema.matching import lost_distinction
from shared.schema.names import fold

MAX_KEY_COLUMNS: Final = 32
"""PostgreSQL's INDEX_MAX_KEYS: most columns of one key or index."""
_MOST_ROW_BYTES: Final = 2700
"""PostgreSQL refuses a B-tree row of more than 2,704 bytes, a third of its page, after compression."""


def losses(columns: PlannedColumns, sources: Sequence[str], collations: Sequence[str]) -> list[str]:
    """Say how values that SQLite tells apart may become equal in a unique key of columns that compare so."""
    found = []
    for name, collation in zip(sources, collations, strict=True):
        column = columns.of(name)
        lost = lost_distinction(column)
        if lost:
            found.append(f"{lost}; should that happen, it cannot be built")
        if folding_of(column) is not Folding.NONE and key_term(column, collation) is None:
            found.append(
                f"texts become equal in {column.name} that {collation.upper()} tells apart (É and é); should that "
                "happen, it cannot be built"
            )
    return found


def too_long(draft: Draft, sources: Iterable[str]) -> str:
    """Say that a B-tree may refuse the longest values of these columns; empty where it takes them all."""
    positions = {draft.position(name) for name in sources}
    profiles = [draft.profile_of(position) for position in positions if position is not None]
    longest = sum(max(each.longest_text or 0, each.longest_blob or 0) for each in profiles)
    if longest <= _MOST_ROW_BYTES:
        return ""
    return (
        f"its values have up to {longest:,} bytes and a row of a B-tree {_MOST_ROW_BYTES:,} after compression: "
        "should one not fit, it is left out"
    )


def impossible(columns: PlannedColumns, sources: Sequence[str], *, width: int) -> str:
    """Say why PostgreSQL cannot have a key or index of these columns, `width` terms in all; empty where it can."""
    if width > MAX_KEY_COLUMNS:
        return f"it has {width} columns and a key or index of PostgreSQL at most {MAX_KEY_COLUMNS}"
    there = {fold(column.source) for column in columns.columns}
    missing = [name for name in sources if fold(name) not in there]
    if missing:
        return f"it is on {', '.join(missing)}, which the job leaves out"
    for column in map(columns.of, sources):
        if column.generated is not None and not column.generated.stored:
            return f"{column.name} is generated when it is read (VIRTUAL), and PostgreSQL indexes no such column"
    return ""
