"""Numbers that may be moments: what they may be counted in, and which rule would make timestamps of them."""

from __future__ import annotations

from typing import Final

from shared.records.rules import SourceForm
from shared.records.source import ColumnProfile

_COUNTED: Final = {
    SourceForm.UNIX_S: "seconds from 1970",
    SourceForm.UNIX_MS: "milliseconds from 1970",
    SourceForm.UNIX_US: "microseconds from 1970",
    SourceForm.JULIAN: "days since 4714 BC (Julian days)",
}


def moment_hint(profile: ColumnProfile) -> str:
    """Say what the numbers of a column may count, where most of them are plausible as moments; else nothing.

    A hint and no more: a number that was counted as plausible may well be something else.
    """
    plausible = {
        SourceForm.UNIX_S: profile.epoch_s,
        SourceForm.UNIX_MS: profile.epoch_ms,
        SourceForm.UNIX_US: profile.epoch_us,
        SourceForm.JULIAN: profile.julian_days,
    }
    form, count = max(((form, count or 0) for form, count in plausible.items()), key=lambda pair: pair[1])
    # Zeros often stand for 'never', so not all need to be plausible.
    if count * 2 <= profile.integers + profile.reals:
        return ""
    return f'perhaps moments counted in {_COUNTED[form]}: a rule with form = "{form}" makes timestamps of them'
