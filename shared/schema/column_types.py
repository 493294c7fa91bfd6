"""The target type of a column: the narrowest that holds every value unchanged, and what is declared besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from shared.records.plan import TypeKind, TypesPolicy
from shared.records.source import ColumnProfile, SourceColumn, StorageClass
from shared.schema.choices import ChosenType, Finding, counted_classes, empty_texts_hint
from shared.schema.declared import Family, read_declared
from shared.schema.declared_types import KIND_OF_FAMILY, choose_declared
from shared.schema.moment_hints import moment_hint
from shared.schema.number_types import integers, integers_and_reals, numeric, reals
from shared.schema.text_types import looks_like_uuid, moment_kind, texts


def choose_type(
    column: SourceColumn,
    profile: ColumnProfile,
    *,
    strict: bool = False,
    policy: TypesPolicy = TypesPolicy.LOSSLESS,
) -> ChosenType:
    """Choose a column's type.

    Lossless: the narrowest type that holds every value unchanged, never narrower than the declared type lets values to
    come be: integers are always bigint, texts are text. Declared: what the declaration says, and where it says nothing,
    by the values too.

    Args:
        column: The column.
        profile: What was found in it, after what rules do to its values.
        strict: Whether it is one of a STRICT table.
        policy: What decides where values and declaration disagree.
    """
    declared = read_declared(column.declared_type, strict=strict)
    finding = Finding(column=column, declared=declared, profile=profile)
    if policy is TypesPolicy.DECLARED and declared.family is not Family.ANY:
        return choose_declared(finding)
    return _RULES.get(profile.classes, _mixed)(finding)


def _nothing(finding: Finding) -> ChosenType:
    """No values at all: the declared type alone decides."""
    found = "no values"
    match finding.declared.family:
        case Family.DECIMAL if finding.declared.scaled:
            return numeric(finding, found)
        case Family.TIMESTAMP | Family.DATE | Family.TIMESTAMPTZ:
            return finding.choose(moment_kind(finding), found)
        case Family.ANY:
            doubt = f"{finding.declared.shown} and without values, so nothing says what it is for: text holds anything"
            return finding.choose(TypeKind.TEXT, found, doubt=doubt)
        case family:
            return finding.choose(KIND_OF_FAMILY[family], found)


def _blobs(finding: Finding) -> ChosenType:
    if looks_like_uuid(finding, finding.profile.uuid_blobs, finding.profile.blobs):
        doubt = "UUIDs are read from blobs in network byte order; GUIDs that .NET wrote as bytes have another"
        return finding.choose(TypeKind.UUID, "all blobs have 16 bytes", doubt=doubt)
    if finding.declared.family in {Family.BINARY, Family.ANY}:
        return finding.choose(TypeKind.BYTEA, "all values are blobs")
    return finding.unlike(TypeKind.BYTEA, "its values are blobs")


def _mixed(finding: Finding) -> ChosenType:
    profile = finding.profile
    found = f"it holds {counted_classes(profile)}"
    if finding.declared.family is Family.BOOLEAN and _spells_booleans(profile):
        doubt = f"{found}, all of which are truth values: how each was written (1, true, yes) is not kept"
        return finding.choose(TypeKind.BOOLEAN, found, doubt=doubt)
    if profile.blobs:
        doubt = f"{found}: all become bytea, texts as UTF-8, numbers as the bytes of their text"
        return finding.choose(TypeKind.BYTEA, found, doubt=doubt)
    hints = [hint for hint in (empty_texts_hint(profile), _moments_hint(finding)) if hint]
    doubt = "; ".join([f"{found}: all become text, numbers as their digits", *hints])
    return finding.choose(TypeKind.TEXT, found, doubt=doubt)


def _spells_booleans(profile: ColumnProfile) -> bool:
    low, high = profile.integer_min, profile.integer_max
    in_range = low is not None and high is not None and low >= 0 and high <= 1
    return in_range and profile.boolean_texts == profile.texts and not profile.reals + profile.blobs


def _moments_hint(finding: Finding) -> str:
    return moment_hint(finding.profile) if finding.declared.family in _MOMENTS else ""


_I, _R, _T, _B = StorageClass.INTEGER, StorageClass.REAL, StorageClass.TEXT, StorageClass.BLOB
_RULES: Final[Mapping[tuple[StorageClass, ...], Callable[[Finding], ChosenType]]] = MappingProxyType(
    {(): _nothing, (_I,): integers, (_R,): reals, (_I, _R): integers_and_reals, (_T,): texts, (_B,): _blobs}
)
_MOMENTS: Final = frozenset({Family.DATE, Family.TIMESTAMP, Family.TIMESTAMPTZ, Family.TIME})
