"""How many of the values that a profile counted a type cannot hold: surely, and perhaps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.records.plan import TargetType, TypeKind
from shared.records.source import ColumnProfile
from shared.schema.declared import Affinity

_EXACT_IN_DOUBLE: Final = 2**53
_EXACT_IN_REAL: Final = 2**24
_NUMBER_TEXT: Final = 25
"""More characters than any integer or shortest real has."""


class Misfits(NamedTuple):
    """Values that a type cannot hold."""

    sure: int = 0
    perhaps: int = 0
    """As many more at most: the profile did not ask what would tell."""


def misfits(profile: ColumnProfile, target: TargetType, affinity: Affinity) -> Misfits:
    """Count what a type cannot hold of values with these counts: nothing is bent to fit, it fits exactly or not.

    Blobs become no text of a type. Texts may spell numbers, but not in numeric affinities, which store such as numbers.
    What no column of this `affinity` can store is not reckoned with.
    """
    return _COUNTERS[target.kind](profile, target, affinity)


def _integer(profile: ColumnProfile, target: TargetType, affinity: Affinity) -> Misfits:
    low, high = _RANGES[target.kind]
    outside = 0 if _within(profile, low, high) else profile.integers
    fractions, unknown = _besides(profile.reals, profile.integral_reals)
    beyond = profile.reals - fractions - unknown if target.kind is not TypeKind.BIGINT else 0
    texts, spelled = _texts(profile, affinity)
    return Misfits(texts + profile.blobs + fractions, spelled + outside + unknown + beyond)


def _texts(profile: ColumnProfile, affinity: Affinity) -> tuple[int, int]:
    """How many texts surely spell no number, and of how many nobody knows."""
    return (0, profile.texts) if affinity in {Affinity.TEXT, Affinity.BLOB} else (profile.texts, 0)


def _float(profile: ColumnProfile, target: TargetType, affinity: Affinity) -> Misfits:
    most = _EXACT_IN_DOUBLE if target.kind is TypeKind.DOUBLE else _EXACT_IN_REAL
    inexact = 0 if _within(profile, -most, most) else profile.integers
    rounded = profile.reals if target.kind is TypeKind.REAL else 0
    texts, spelled = _texts(profile, affinity)
    return Misfits(texts + profile.blobs, spelled + inexact + rounded)


def _numeric(profile: ColumnProfile, target: TargetType, affinity: Affinity) -> Misfits:
    texts, spelled = _texts(profile, affinity)
    sure = texts + profile.blobs
    scaled = re.fullmatch(r"numeric\((\d+),(-?\d+)\)", target.sql)
    if scaled is None:
        return Misfits(sure, spelled)
    infinite = profile.infinities or 0
    fits = fits_scaled(profile, int(scaled[1]), int(scaled[2]))
    return Misfits(sure + infinite, spelled + (0 if fits else profile.integers + profile.reals - infinite))


def fits_scaled(profile: ColumnProfile, precision: int, scale: int) -> bool:
    """Whether every number is known to have no more digits than numeric(precision,scale) keeps."""
    before, after = profile.decimal_integer_digits, profile.decimal_fraction_digits
    if before is None or after is None:
        return not profile.integers + profile.reals
    return before <= precision - scale and after <= scale


def _text(profile: ColumnProfile, target: TargetType, _: Affinity) -> Misfits:
    bad = sorted((profile.nul_texts or 0, profile.invalid_texts or 0))
    # A text may be bad in both ways.
    sure, perhaps = profile.blobs + bad[1], bad[0]
    length = re.search(r"\((\d+)\)", target.sql)
    if length is None:
        return Misfits(sure, perhaps)
    most = int(length[1])
    longest = profile.longest_text
    if profile.texts and (longest is None or longest > most):
        perhaps = profile.texts - bad[1]
    if most < _NUMBER_TEXT:
        perhaps += 0 if _within(profile, 1 - 10 ** (most - 1), 10**most - 1) else profile.integers
        perhaps += profile.reals
    return Misfits(sure, perhaps)


def _bytea(_profile: ColumnProfile, _target: TargetType, _: Affinity) -> Misfits:
    return Misfits()


def _boolean(profile: ColumnProfile, _target: TargetType, affinity: Affinity) -> Misfits:
    outside = 0 if _within(profile, 0, 1) else profile.integers
    strange, unknown = _besides(profile.texts, profile.boolean_texts)
    # '0' and '1' are truth values too. The profile did not count them, but numeric affinities store no such text.
    if affinity in {Affinity.TEXT, Affinity.BLOB}:
        strange, unknown = 0, strange + unknown
    return Misfits(profile.reals + profile.blobs + strange, outside + unknown)


def _moment(profile: ColumnProfile, target: TargetType, _: Affinity) -> Misfits:
    shaped = {
        TypeKind.DATE: profile.date_texts,
        TypeKind.TIME: profile.time_texts,
        TypeKind.TIMESTAMP: profile.timestamp_texts,
        TypeKind.TIMESTAMPTZ: _both(profile.timestamptz_texts, profile.timestamp_texts),  # without offset it is UTC
    }[target.kind]
    strange, unknown = _besides(profile.texts, shaped)
    rounded = profile.texts - strange - unknown if "(" in target.sql else 0
    if target.kind is TypeKind.TIME and profile.timestamp_texts != 0:
        strange, unknown = 0, unknown + strange  # a time of day with 2000-01-01 before it, as Rails writes it, fits
    return Misfits(profile.integers + profile.reals + profile.blobs + strange, unknown + rounded)


def _uuid(profile: ColumnProfile, _target: TargetType, _: Affinity) -> Misfits:
    texts, unknown_texts = _besides(profile.texts, profile.uuid_texts)
    blobs, unknown_blobs = _besides(profile.blobs, profile.uuid_blobs)
    return Misfits(profile.integers + profile.reals + texts + blobs, unknown_texts + unknown_blobs)


def _json(profile: ColumnProfile, target: TargetType, _: Affinity) -> Misfits:
    held = profile.json_texts if target.kind is TypeKind.JSON else profile.jsonb_texts
    strange, unknown = _besides(profile.texts, held)
    return Misfits(profile.blobs + (profile.infinities or 0) + strange, unknown)


def _other(profile: ColumnProfile, _target: TargetType, _: Affinity) -> Misfits:
    """A type that PostgreSQL alone knows reads texts as it pleases."""
    return Misfits(profile.blobs, profile.values - profile.blobs)


def _both(some: int | None, others: int | None) -> int | None:
    return None if some is None or others is None else some + others


def _besides(values: int, shaped: int | None) -> tuple[int, int]:
    """How many values surely do not have a shape, and of how many nobody knows."""
    return (0, values) if shaped is None else (values - shaped, 0)


def _within(profile: ColumnProfile, low: int, high: int) -> bool:
    least, most = profile.integer_min, profile.integer_max
    return not profile.integers or (least is not None and most is not None and low <= least and most <= high)


_RANGES: Final[Mapping[TypeKind, tuple[int, int]]] = MappingProxyType(
    {
        TypeKind.SMALLINT: (-(2**15), 2**15 - 1),
        TypeKind.INTEGER: (-(2**31), 2**31 - 1),
        TypeKind.BIGINT: (-(2**63), 2**63 - 1),
    }
)
_Counter = Callable[[ColumnProfile, TargetType, Affinity], Misfits]
_COUNTERS: Final[Mapping[TypeKind, _Counter]] = MappingProxyType(
    dict.fromkeys(_RANGES, _integer)
    | dict.fromkeys((TypeKind.REAL, TypeKind.DOUBLE), _float)
    | dict.fromkeys((TypeKind.DATE, TypeKind.TIME, TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ), _moment)
    | dict.fromkeys((TypeKind.JSON, TypeKind.JSONB), _json)
    | {
        TypeKind.NUMERIC: _numeric,
        TypeKind.TEXT: _text,
        TypeKind.BYTEA: _bytea,
        TypeKind.BOOLEAN: _boolean,
        TypeKind.UUID: _uuid,
        TypeKind.OTHER: _other,
    }
)
