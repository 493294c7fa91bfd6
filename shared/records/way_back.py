"""What a job leaves in a target besides rows, as far as the way back needs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeObject:
    """An object that belongs to no table of the job."""

    kind: str
    """``view``, ``function``, ``collation``, ``extension`` or ``schema``."""
    oid: int
    name: str
    """As SQL names it."""
    definition: str
    """A digest of what it is; empty where that cannot change."""
