"""How many values are no moments of a source form, or none that the type holds: surely, and perhaps."""

from __future__ import annotations

from typing import Final

from shared.records.plan import TargetType, TypeKind
from shared.records.rules import SourceForm
from shared.records.source import ColumnProfile
from shared.schema.fits import Misfits

_FIRST_SECOND: Final = -210_866_803_200
_LAST_SECOND: Final = 9_224_318_015_999
"""From 4714-11-24 BC to the end of 294276, as PostgreSQL's timestamps."""
_A_SECOND: Final = {SourceForm.UNIX_S: 1, SourceForm.UNIX_MS: 1_000, SourceForm.UNIX_US: 1_000_000}
_LAST_JULIAN_DAY: Final = 5_373_484
"""SQLite's dates end with the year 9999."""


def form_misfits(profile: ColumnProfile, form: SourceForm, target: TargetType) -> Misfits:
    """Count what cannot be read as moments of a form, or not be held by the type: storage class and shape tell."""
    sure, perhaps = _iso(profile, target) if form is SourceForm.ISO else _numbers(profile, form)
    if "(" in target.sql or target.kind is TypeKind.DATE:
        # Decimals of a second, or the time of day, may be lost, and what would lose them does not fit.
        days = profile.date_texts or 0 if form is SourceForm.ISO else 0
        perhaps = profile.values - sure - days
    return Misfits(sure, perhaps)


def _iso(profile: ColumnProfile, target: TargetType) -> Misfits:
    plain, with_offset = profile.timestamp_texts or 0, profile.timestamptz_texts or 0
    numbers = profile.integers + profile.reals + profile.blobs
    unknown = profile.texts - plain - with_offset
    # A timestamp without time zone has no place for an offset.
    return Misfits(numbers + (with_offset if target.kind is TypeKind.TIMESTAMP else 0), unknown)


def _numbers(profile: ColumnProfile, form: SourceForm) -> Misfits:
    """Texts may spell numbers, or not."""
    infinite = profile.infinities or 0
    unknown = profile.reals - infinite + (0 if _in_range(profile, form) else profile.integers)
    plausible = {
        SourceForm.UNIX_S: profile.epoch_s,
        SourceForm.UNIX_MS: profile.epoch_ms,
        SourceForm.UNIX_US: profile.epoch_us,
        SourceForm.JULIAN: profile.julian_days,
    }[form]
    numbers = min(unknown, profile.integers + profile.reals - infinite - (plausible or 0))
    return Misfits(profile.blobs + infinite, profile.texts + numbers)


def _in_range(profile: ColumnProfile, form: SourceForm) -> bool:
    low, high = (0, _LAST_JULIAN_DAY) if form is SourceForm.JULIAN else (_FIRST_SECOND, _LAST_SECOND)
    least, most, scale = profile.integer_min, profile.integer_max, _A_SECOND.get(form, 1)
    return least is not None and most is not None and low * scale <= least and most <= high * scale
