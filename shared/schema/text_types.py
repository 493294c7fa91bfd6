"""Target types of columns that hold texts alone: text, or what every one of the texts spells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from shared.records.plan import TypeKind
from shared.schema.choices import ChosenType, Finding, empty_texts_hint
from shared.schema.declared import Family

_DIGEST_NAME: Final = re.compile(r"md5|hash|digest|checksum|etag|token|finger|signature|secret", re.IGNORECASE)
"""32 hexadecimal digits under such a name are no UUID, though they look like one."""

_Shape = tuple[TypeKind, int | None, str]


def texts(finding: Finding) -> ChosenType:
    """All values are texts."""
    family = finding.declared.family
    shaped = _shaped(finding)
    if shaped is not None:
        return shaped
    if looks_like_uuid(finding, finding.profile.uuid_texts, finding.profile.texts):
        return finding.choose(TypeKind.UUID, "all texts are UUIDs", doubt=_doubtful_uuid(finding))
    if family is Family.TEXT:
        return finding.choose(TypeKind.TEXT, "all values are texts" + _length(finding))
    if family is Family.ANY:
        return finding.choose(TypeKind.TEXT, "all values are texts")
    if family is Family.BINARY and finding.profile.nul_texts:
        return finding.unlike(TypeKind.BYTEA, "its values are texts, some with U+0000, which text cannot hold")
    hints = (empty_texts_hint(finding.profile), _iso_hint(finding))
    hint = "; ".join(each for each in hints if each)
    return finding.unlike(TypeKind.TEXT, _UNSHAPED.get(family, "its values are texts"), hint=hint)


def looks_like_uuid(finding: Finding, uuids: int | None, values: int) -> bool:
    """Whether all values are UUIDs, and type and name of the column do not speak against it."""
    if uuids != values or not finding.declared.may_be_uuid:
        return False
    return finding.declared.family is Family.UUID or not _DIGEST_NAME.search(finding.column.name)


def moment_kind(finding: Finding) -> TypeKind:
    """The type that a declared date or timestamp means.

    A DATE column that defaults to CURRENT_TIMESTAMP will hold times of day, so it is a timestamp.
    """
    timed_default = (finding.column.default_sql or "").strip("() ").upper() == "CURRENT_TIMESTAMP"
    if finding.declared.family is Family.DATE:
        return TypeKind.TIMESTAMP if timed_default else TypeKind.DATE
    return TypeKind.TIMESTAMPTZ if finding.declared.family is Family.TIMESTAMPTZ else TypeKind.TIMESTAMP


def _shaped(finding: Finding) -> ChosenType | None:
    family = finding.declared.family
    shapes = _SHAPES[family](finding) if family in _SHAPES else ()
    for kind, count, found in shapes:
        if count == finding.profile.texts:
            return finding.choose(kind, found, doubt=_lost_spelling(kind, family))
    return None


def _iso_hint(finding: Finding) -> str:
    """Name the rule that reads moments of several shapes in one column, where there are such."""
    profile = finding.profile
    shaped = (profile.timestamp_texts or 0) + (profile.timestamptz_texts or 0)
    if not shaped:
        return ""
    return f'{shaped:,} of {profile.texts:,} texts are ISO moments: a rule with form = "iso" makes timestamps of them'


def _doubtful_uuid(finding: Finding) -> str:
    if finding.declared.family is Family.UUID:
        return ""
    return f"{finding.declared.shown}, and all texts are UUIDs: uuid keeps neither their case nor their hyphens"


def _length(finding: Finding) -> str:
    arguments = finding.declared.arguments
    return f"; SQLite does not enforce the length {arguments[0]}" if arguments else ""


def _moment_shapes(finding: Finding) -> tuple[_Shape, ...]:
    profile = finding.profile
    shapes: tuple[_Shape, ...] = (
        (TypeKind.TIMESTAMP, profile.timestamp_texts, "all texts are ISO timestamps"),
        (TypeKind.TIMESTAMPTZ, profile.timestamptz_texts, "all texts are ISO timestamps with an offset"),
    )
    if moment_kind(finding) is TypeKind.DATE:
        return ((TypeKind.DATE, profile.date_texts, "all texts are ISO dates"), *shapes)
    return shapes


def _boolean_shapes(finding: Finding) -> tuple[_Shape, ...]:
    return ((TypeKind.BOOLEAN, finding.profile.boolean_texts, "all texts spell truth values"),)


def _time_shapes(finding: Finding) -> tuple[_Shape, ...]:
    return ((TypeKind.TIME, finding.profile.time_texts, "all texts are times of day"),)


def _json_shapes(finding: Finding) -> tuple[_Shape, ...]:
    return (
        (TypeKind.JSONB, finding.profile.jsonb_texts, "all texts are JSON that jsonb holds without loss"),
        (TypeKind.JSON, finding.profile.json_texts, "all texts are JSON, some of which jsonb would change"),
    )


def _lost_spelling(kind: TypeKind, family: Family) -> str:
    match kind:
        case TypeKind.BOOLEAN:
            return "truth values were texts: how each was spelled (t, true, yes, on) is not kept"
        case TypeKind.TIMESTAMPTZ:
            return "each moment is kept, the offset that it was written with is not"
        case TypeKind.TIMESTAMP if family is Family.TIMESTAMPTZ:
            return "no text has an offset, so nothing says in which zone these moments are"
        case TypeKind.TIMESTAMP if family is Family.DATE:
            return "declared as a date, but there are times of day: timestamp holds them"
        case _:
            return ""


_SHAPES: Final[Mapping[Family, Callable[[Finding], tuple[_Shape, ...]]]] = MappingProxyType(
    {
        Family.BOOLEAN: _boolean_shapes,
        Family.DATE: _moment_shapes,
        Family.TIMESTAMP: _moment_shapes,
        Family.TIMESTAMPTZ: _moment_shapes,
        Family.TIME: _time_shapes,
        Family.JSON: _json_shapes,
    }
)
_UNSHAPED: Final[Mapping[Family, str]] = MappingProxyType(
    {
        Family.BOOLEAN: "not all texts spell truth values",
        Family.DATE: "not all texts are ISO dates or timestamps",
        Family.TIMESTAMP: "not all texts are ISO timestamps of one kind",
        Family.TIMESTAMPTZ: "not all texts are ISO timestamps of one kind",
        Family.TIME: "not all texts are times of day",
        Family.UUID: "not all texts are UUIDs",
        Family.JSON: "not all texts are JSON",
    }
)
