"""The target type of a column: the narrowest that holds every value unchanged, and what is declared besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from shared.records.plan import TypeKind
from shared.records.source import ColumnProfile, SourceColumn, StorageClass
from shared.schema.choices import ChosenType, Finding
from shared.schema.declared import Family, read_declared
from shared.schema.number_types import integers, integers_and_reals, numeric, reals
from shared.schema.text_types import looks_like_uuid, moment_kind, texts


def choose_type(column: SourceColumn, profile: ColumnProfile, *, strict: bool = False) -> ChosenType:
    """Choose the narrowest type that holds every value unchanged.

    Never narrower than the declared type lets values to come be: integers are always bigint, texts are text.
    `strict` says that the column is one of a STRICT table.
    """
    declared = read_declared(column.declared_type, strict=strict)
    finding = Finding(column=column, declared=declared, profile=profile)
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
            return finding.choose(_KIND_OF_EMPTY[family], found)


def _blobs(finding: Finding) -> ChosenType:
    if looks_like_uuid(finding, finding.profile.uuid_blobs, finding.profile.blobs):
        doubt = "UUIDs are read from blobs in network byte order; GUIDs that .NET wrote as bytes have another"
        return finding.choose(TypeKind.UUID, "all blobs have 16 bytes", doubt=doubt)
    if finding.declared.family in {Family.BINARY, Family.ANY}:
        return finding.choose(TypeKind.BYTEA, "all values are blobs")
    return finding.unlike(TypeKind.BYTEA, "its values are blobs")


def _mixed(finding: Finding) -> ChosenType:
    profile = finding.profile
    counts = (profile.integers, profile.reals, profile.texts, profile.blobs)
    names = ("integers", "reals", "texts", "blobs")
    found = "it holds " + " and ".join(f"{n:,} {name}" for name, n in zip(names, counts, strict=True) if n)
    if profile.blobs:
        return finding.choose(
            TypeKind.BYTEA,
            found,
            doubt=f"{found}: all become bytea, texts as UTF-8, numbers as the bytes of their text",
        )
    return finding.choose(TypeKind.TEXT, found, doubt=f"{found}: all become text, numbers as their digits")


_I, _R, _T, _B = StorageClass.INTEGER, StorageClass.REAL, StorageClass.TEXT, StorageClass.BLOB
_RULES: Final[Mapping[tuple[StorageClass, ...], Callable[[Finding], ChosenType]]] = MappingProxyType(
    {(): _nothing, (_I,): integers, (_R,): reals, (_I, _R): integers_and_reals, (_T,): texts, (_B,): _blobs}
)
_KIND_OF_EMPTY: Final[Mapping[Family, TypeKind]] = MappingProxyType(
    {
        Family.INTEGER: TypeKind.BIGINT,
        Family.FLOAT: TypeKind.DOUBLE,
        Family.DECIMAL: TypeKind.NUMERIC,
        Family.TEXT: TypeKind.TEXT,
        Family.BINARY: TypeKind.BYTEA,
        Family.BOOLEAN: TypeKind.BOOLEAN,
        Family.DATE: TypeKind.DATE,
        Family.TIMESTAMP: TypeKind.TIMESTAMP,
        Family.TIMESTAMPTZ: TypeKind.TIMESTAMPTZ,
        Family.TIME: TypeKind.TIME,
        Family.UUID: TypeKind.UUID,
        Family.JSON: TypeKind.JSONB,
    }
)
