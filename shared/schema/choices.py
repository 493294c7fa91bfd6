"""A column's choice of type: what the rules look at, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass

from shared.records.plan import TargetType, TypeKind
from shared.records.source import ColumnProfile, SourceColumn
from shared.schema.declared import DeclaredType


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenType:
    """A target type with the reasons for it."""

    type: TargetType
    reason: str
    """The declared type and what the profile found, in a few words."""
    expected_rejects: int = 0
    """How many values the profile says the type cannot hold."""
    doubt: str = ""
    """What a person should know before trusting it, in a sentence; empty for a type that needs no thought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the rules look at."""

    column: SourceColumn
    declared: DeclaredType
    profile: ColumnProfile

    def choose(self, kind: TypeKind, found: str, *, doubt: str = "", sql: str | None = None) -> ChosenType:
        """Choose `kind`, since the values are as `found` says."""
        rejects = self.profile.nul_texts or 0 if kind is TypeKind.TEXT else 0
        if rejects:
            doubt = f"{rejects:,} texts hold U+0000, which PostgreSQL's text cannot: they will be rejects"
        return ChosenType(
            type=TargetType(kind=kind, sql=sql or kind.value),
            reason=f"{self.declared.shown}; {found}",
            expected_rejects=rejects,
            doubt=doubt,
        )

    def unlike(self, kind: TypeKind, found: str) -> ChosenType:
        """Choose what the values are where the declared type means something else."""
        return self.choose(kind, found, doubt=f"{self.declared.shown}, but {found}: {kind} holds them unchanged")
