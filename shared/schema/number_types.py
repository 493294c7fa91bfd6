"""Target types of columns that hold numbers alone."""

from __future__ import annotations

from typing import Final

from shared.records.plan import TypeKind
from shared.records.source import ColumnProfile
from shared.schema.choices import ChosenType, Finding
from shared.schema.declared import Family
from shared.schema.fits import fits_scaled
from shared.schema.moment_hints import moment_hint

_EXACT_IN_DOUBLE: Final = 2**53
"""Below this every integer is a double; from here on neighbours share one."""


def integers(finding: Finding) -> ChosenType:
    """All values are integers."""
    family = finding.declared.family
    if family is Family.DECIMAL:
        return numeric(finding, "all values are integers")
    if family is Family.FLOAT:
        return _integers_in_float(finding)
    if family is Family.BOOLEAN and _within(finding.profile, 0, 1):
        return finding.choose(TypeKind.BOOLEAN, "all values are 0 or 1")
    if family in {Family.TEXT, Family.JSON}:
        return finding.unlike(TypeKind.TEXT, "its values are stored as integers")
    hint = moment_hint(finding.profile)
    if family in {Family.INTEGER, Family.ANY}:
        return finding.choose(TypeKind.BIGINT, "all values are integers" + (f", {hint}" if hint else ""))
    return finding.unlike(TypeKind.BIGINT, f"its values are integers ({_span(finding.profile)})", hint=hint)


def _integers_in_float(finding: Finding) -> ChosenType:
    if _exact_in_double(finding.profile):
        return finding.choose(TypeKind.DOUBLE, "all values are integers below 2^53")
    return finding.unlike(TypeKind.NUMERIC, "it holds integers from 2^53 on, which double precision would round")


def reals(finding: Finding) -> ChosenType:
    """All values are reals."""
    family = finding.declared.family
    if family in {Family.TEXT, Family.JSON}:
        return finding.unlike(TypeKind.TEXT, "its values are stored as reals")
    if finding.profile.infinities and family is Family.DECIMAL:
        return finding.unlike(TypeKind.DOUBLE, "it holds infinities")
    if family is Family.DECIMAL:
        return numeric(finding, "all values are numbers")
    hint = moment_hint(finding.profile)
    if family in {Family.FLOAT, Family.ANY}:
        return finding.choose(TypeKind.DOUBLE, "all values are reals" + (f", {hint}" if hint else ""))
    if family is Family.INTEGER and finding.profile.integral_reals == finding.profile.reals:
        return _integral(finding)
    return finding.unlike(TypeKind.DOUBLE, "its values are reals", hint=hint)


def _integral(finding: Finding) -> ChosenType:
    reals = finding.profile.reals
    stored = "one value is stored as a real" if reals == 1 else f"{reals:,} values are stored as reals"
    return finding.choose(
        TypeKind.BIGINT,
        "all values are whole numbers",
        doubt=f"{stored} without a fraction: bigint holds whole numbers as integers",
    )


def integers_and_reals(finding: Finding) -> ChosenType:
    """Some values are integers, some reals."""
    family = finding.declared.family
    exact = _exact_in_double(finding.profile)
    if family in {Family.TEXT, Family.JSON}:
        return finding.unlike(TypeKind.TEXT, "its values are stored as integers and reals")
    if family is Family.INTEGER and finding.profile.integral_reals == finding.profile.reals:
        return _integral(finding)
    if finding.profile.infinities and not exact:
        return finding.unlike(TypeKind.TEXT, "it holds infinities beside integers from 2^53 on")
    if family is Family.DECIMAL and not finding.profile.infinities:
        return numeric(finding, "all values are numbers")
    return _in_double(finding) if exact else _in_numeric(finding)


def _in_numeric(finding: Finding) -> ChosenType:
    return finding.unlike(TypeKind.NUMERIC, "it holds reals beside integers from 2^53 on")


def _in_double(finding: Finding) -> ChosenType:
    if finding.declared.family in {Family.FLOAT, Family.ANY}:
        return finding.choose(TypeKind.DOUBLE, "reals, and integers below 2^53")
    hint = moment_hint(finding.profile)
    return finding.unlike(TypeKind.DOUBLE, "it holds reals beside integers below 2^53", hint=hint)


def numeric(finding: Finding, found: str) -> ChosenType:
    """Choose numeric, with the declared precision and scale where every value fits them, by its shortest text."""
    scaled = finding.declared.scaled
    if scaled is None:
        return finding.choose(TypeKind.NUMERIC, found)
    precision, scale = scaled
    if not finding.profile.values or fits_scaled(finding.profile, precision, scale):
        return finding.choose(TypeKind.NUMERIC, found, sql=f"numeric({precision},{scale})")
    before = finding.profile.decimal_integer_digits
    after = finding.profile.decimal_fraction_digits
    if before is None or after is None:
        return finding.unlike(TypeKind.NUMERIC, "its digits were not counted")
    return finding.unlike(TypeKind.NUMERIC, f"values have up to {before} digits before the point and {after} after it")


def _within(profile: ColumnProfile, low: int, high: int) -> bool:
    least, most = profile.integer_min, profile.integer_max
    return least is not None and most is not None and low <= least and most <= high


def _exact_in_double(profile: ColumnProfile) -> bool:
    return _within(profile, 1 - _EXACT_IN_DOUBLE, _EXACT_IN_DOUBLE - 1)


def _span(profile: ColumnProfile) -> str:
    return f"{profile.integer_min} to {profile.integer_max}"
