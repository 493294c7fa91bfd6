"""Target types by declaration alone (``--types declared``): what does not fit becomes a reject."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.records.plan import TargetType, TypeKind
from shared.schema.choices import ChosenType, Finding, bad_texts, counted_classes, empty_texts_hint, taken_as_utc
from shared.schema.declared import Family
from shared.schema.fits import Misfits
from shared.schema.postgres_types import MAX_CHARACTERS
from shared.schema.text_types import moment_kind

KIND_OF_FAMILY: Final[Mapping[Family, TypeKind]] = MappingProxyType(
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
"""What a declaration means, whatever the column holds. Any INTEGER of SQLite has 64 bits."""
_PADDED: Final = frozenset({"CHAR", "CHARACTER", "NCHAR"})
_VARYING: Final = frozenset({"VARCHAR", "NVARCHAR", "VARCHAR2", "NVARCHAR2", "VARYING"})


def choose_declared(finding: Finding) -> ChosenType:
    """Choose the type that a declaration says, its length, precision and scale included, and count what does not fit.

    SQLite never enforced them; whoever asks for declared types wants them to hold from now on.
    """
    target = declared_target(finding)
    bad = finding.misfits(target)
    found = counted_classes(finding.profile)
    return ChosenType(
        type=target,
        reason=f"{finding.declared.shown}, and types are as declared; {found}",
        expected_rejects=bad.sure,
        possible_rejects=bad.perhaps,
        doubt=_doubt(finding, target, bad),
    )


def declared_target(finding: Finding) -> TargetType:
    """What a declaration means in PostgreSQL."""
    declared = finding.declared
    match declared.family:
        case Family.DECIMAL if declared.scaled:
            precision, scale = declared.scaled
            return TargetType(kind=TypeKind.NUMERIC, sql=f"numeric({precision},{scale})")
        case Family.TEXT if declared.arguments and 1 <= declared.arguments[0] <= MAX_CHARACTERS:
            return TargetType(kind=TypeKind.TEXT, sql=_limited(declared.words, declared.arguments[0]))
        case Family.DATE | Family.TIMESTAMP | Family.TIMESTAMPTZ:
            kind = moment_kind(finding)
        case family:
            kind = KIND_OF_FAMILY[family]
    return TargetType(kind=kind, sql=kind.value)


def _limited(words: tuple[str, ...], length: int) -> str:
    if _VARYING.intersection(words):
        return f"character varying({length})"
    return f"character({length})" if _PADDED.intersection(words) else TypeKind.TEXT.value


def _doubt(finding: Finding, target: TargetType, bad: Misfits) -> str:
    said = [misfits_said(finding, target, bad)]
    if bad != Misfits():
        said.append(empty_texts_hint(finding.profile))
        said.append(bad_texts(finding.profile) if target.kind is TypeKind.TEXT else "")
    said.append(taken_as_utc(finding.profile, target))
    if target.sql.startswith("character(") and finding.profile.texts:
        said.append(f"blanks at the end mean nothing in {target.sql}")
    return "; ".join(part for part in said if part)


def misfits_said(finding: Finding, target: TargetType, bad: Misfits) -> str:
    """Say how many values do not fit a type, or may not; empty where all do."""
    found = f"it holds {counted_classes(finding.profile)}, of which"
    if bad.sure and bad.perhaps:
        return f"{found} {target.sql} cannot hold {bad.sure:,}, and perhaps up to {bad.perhaps:,} more: rejects"
    if bad.sure:
        return f"{found} {target.sql} cannot hold {bad.sure:,}: rejects"
    if bad.perhaps:
        return f"{found} up to {bad.perhaps:,} may not fit {target.sql}: rejects, if so"
    return ""
