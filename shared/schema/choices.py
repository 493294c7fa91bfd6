"""A column's choice of type: what is looked at, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.records.plan import TargetType, TypeKind
from shared.records.rules import Treatment
from shared.records.source import ColumnProfile, SourceColumn
from shared.schema.declared import DeclaredType
from shared.schema.fits import Misfits, misfits


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenType:
    """A target type with the reasons for it."""

    type: TargetType
    reason: str
    """The declared type and what the profile found, in a few words."""
    expected_rejects: int = 0
    """How many values the profile says the type cannot hold."""
    possible_rejects: int = 0
    """How many more it may be unable to hold: the profile cannot tell."""
    doubt: str = ""
    """What a person should know before trusting it, in a sentence; empty for a type that needs no thought."""
    treatment: Treatment = field(default_factory=Treatment)
    """What a rule does to the values first."""
    fixed: bool = False
    """Whether a rule says this type, so that nothing else may change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is looked at."""

    column: SourceColumn
    declared: DeclaredType
    profile: ColumnProfile

    def choose(self, kind: TypeKind, found: str, *, doubt: str = "", sql: str | None = None) -> ChosenType:
        """Choose `kind`, since the values are as `found` says."""
        target = TargetType(kind=kind, sql=sql or kind.value)
        bad = self.misfits(target) if kind is TypeKind.TEXT else Misfits()
        return ChosenType(
            type=target,
            reason=f"{self.declared.shown}; {found}",
            expected_rejects=bad.sure,
            possible_rejects=bad.perhaps,
            doubt="; ".join(part for part in (doubt, bad_texts(self.profile) if kind is TypeKind.TEXT else "") if part),
        )

    def unlike(self, kind: TypeKind, found: str, *, hint: str = "") -> ChosenType:
        """Choose what the values are where the declared type means something else."""
        doubt = f"{self.declared.shown}, but {found}: {kind} holds them unchanged"
        return self.choose(kind, found, doubt=f"{doubt}; {hint}" if hint else doubt)

    def misfits(self, target: TargetType) -> Misfits:
        """Count the values that a type cannot hold."""
        return misfits(self.profile, target, self.declared.affinity)


def bad_texts(profile: ColumnProfile) -> str:
    """Say how many texts PostgreSQL's text cannot hold, and which rules would carry them; empty where there is none."""
    said = []
    if profile.nul_texts:
        texts = "text holds" if profile.nul_texts == 1 else "texts hold"
        said.append(
            f"{profile.nul_texts:,} {texts} U+0000, which PostgreSQL's text cannot: rejects, "
            'unless a rule says nul = "strip" or "replace"'
        )
    if profile.invalid_texts:
        texts = "text is" if profile.invalid_texts == 1 else "texts are"
        said.append(
            f"{profile.invalid_texts:,} {texts} not valid in the source's encoding: rejects, "
            'unless a rule says bad_utf8 = "latin-1", "replace" or "bytea"'
        )
    return "; ".join(said)


def taken_as_utc(profile: ColumnProfile, target: TargetType) -> str:
    """Say how moments without an offset are read into a timestamp with time zone; empty where there are none."""
    if target.kind is not TypeKind.TIMESTAMPTZ or profile.timestamp_texts == 0 or not profile.texts:
        return ""
    found = "texts" if profile.timestamp_texts is None else f"{profile.timestamp_texts:,} of the texts"
    return f"{found} without an offset are taken as UTC"


def counted_classes(profile: ColumnProfile) -> str:
    """Say what was found: ``9 integers and 2 texts``."""
    counts = {"integer": profile.integers, "real": profile.reals, "text": profile.texts, "blob": profile.blobs}
    found = [f"{count:,} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count]
    return " and ".join(part for part in (", ".join(found[:-1]), *found[-1:]) if part) or "no values"


def empty_texts_hint(profile: ColumnProfile) -> str:
    """Name the rule that makes NULL of empty texts, where there are some beside other values."""
    if not profile.empty_texts or profile.empty_texts == profile.values:
        return ""
    number = "one text is" if profile.empty_texts == 1 else f"{profile.empty_texts:,} texts are"
    return f"{number} empty, which a rule with null_if_empty = true would make NULL"
