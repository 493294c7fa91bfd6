"""What a rule makes of a column: of what was found in it, of its type, and what people should know of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from shared.records.plan import TargetType, TypeKind
from shared.records.rules import BadTextPolicy, NulPolicy, SourceForm, Treatment
from shared.records.source import ColumnProfile
from shared.schema.choices import ChosenType, Finding, bad_texts, counted_classes, taken_as_utc
from shared.schema.declared_types import misfits_said
from shared.schema.fits import Misfits
from shared.schema.form_fits import form_misfits
from shared.schema.rules.book import Said

_CARRIED: Final = frozenset({BadTextPolicy.LATIN_1, BadTextPolicy.REPLACE})
_READ_AS: Final = {
    SourceForm.UNIX_S: "seconds since 1970",
    SourceForm.UNIX_MS: "milliseconds since 1970",
    SourceForm.UNIX_US: "microseconds since 1970",
    SourceForm.JULIAN: "Julian days",
    SourceForm.ISO: "ISO 8601 moments, those without an offset in UTC",
}


def after_rules(profile: ColumnProfile, treatment: Treatment) -> ColumnProfile:
    """What is left to choose a type for, once empty texts are NULL and bad texts are mended."""
    empty = profile.empty_texts or 0 if treatment.null_if_empty else 0
    return replace(
        profile,
        nulls=profile.nulls + empty,
        texts=profile.texts - empty,
        empty_texts=profile.empty_texts and profile.empty_texts - empty,
        nul_texts=profile.nul_texts if treatment.nul is NulPolicy.REJECT else 0,
        invalid_texts=0 if treatment.bad_utf8 in _CARRIED else profile.invalid_texts,
    )


def ruled(
    chosen: ChosenType, finding: Finding, found: ColumnProfile, said: Said, *, sampled: bool = False
) -> ChosenType:
    """Let rules win over a choice of type.

    Args:
        chosen: What would be chosen for the treated values.
        finding: The column, with its treated values.
        found: What the profile really found.
        said: What rules say of it.
        sampled: Whether only some of the rows were looked at.
    """
    treatment = said.treatment if sampled else _needed(said.treatment, found)
    target = _target(found, said)
    changes = list(_changes(found, said, fitting(said.treatment, target or chosen.type)))
    if target is None:
        doubt = "; ".join(part for part in (*changes, chosen.doubt) if part)
        return replace(chosen, doubt=doubt, treatment=fitting(treatment, chosen.type))
    bad = form_misfits(finding.profile, said.form, target) if said.form is not None else finding.misfits(target)
    unfit = misfits_said(finding, target, bad)
    texts = bad_texts(finding.profile) if target.kind is TypeKind.TEXT and bad != Misfits() else ""
    return ChosenType(
        type=target,
        reason=f"{said.rule('type', 'form', 'bad_utf8')}; {finding.declared.shown}; {counted_classes(finding.profile)}",
        expected_rejects=bad.sure,
        possible_rejects=bad.perhaps,
        doubt="; ".join(part for part in (*changes, _lost(finding.profile, target, said), unfit, texts) if part),
        treatment=fitting(treatment, target),
        fixed=True,
    )


def _needed(treatment: Treatment, found: ColumnProfile) -> Treatment:
    """Leave bad texts alone where there are none: a rule for whole tables then makes no key of theirs doubtful."""
    return replace(
        treatment,
        nul=treatment.nul if found.nul_texts != 0 else NulPolicy.REJECT,
        bad_utf8=treatment.bad_utf8
        if found.invalid_texts != 0 or treatment.bad_utf8 not in _CARRIED
        else BadTextPolicy.REJECT,
    )


def fitting(treatment: Treatment, target: TargetType) -> Treatment:
    """Leave out of a treatment what bytea makes needless: it holds every text as it is."""
    if target.kind is not TypeKind.BYTEA:
        return treatment
    kept = treatment.bad_utf8 if treatment.bad_utf8 is BadTextPolicy.BYTEA else BadTextPolicy.REJECT
    return replace(treatment, nul=NulPolicy.REJECT, bad_utf8=kept)


def _target(profile: ColumnProfile, said: Said) -> TargetType | None:
    """The type that rules say or imply. Where every text decodes, there is nothing to keep the bytes for."""
    if said.type is not None:
        return said.type
    if said.form is SourceForm.ISO and profile.texts == profile.timestamp_texts:
        return TargetType(kind=TypeKind.TIMESTAMP, sql=TypeKind.TIMESTAMP.value)
    if said.form is not None:
        return TargetType(kind=TypeKind.TIMESTAMPTZ, sql=TypeKind.TIMESTAMPTZ.value)
    if said.bad_utf8 is BadTextPolicy.BYTEA and profile.texts and profile.invalid_texts != 0:
        return TargetType(kind=TypeKind.BYTEA, sql=TypeKind.BYTEA.value)
    return None


def _changes(found: ColumnProfile, said: Said, treatment: Treatment) -> Iterator[str]:
    """What rules do to values, a clause for each that does something, or may: the profile asks not everything."""
    if said.form is not None and found.values:
        yield f"{said.rule('form')} reads its values as {_READ_AS[said.form]}"
    if not found.texts:
        return
    if treatment.bad_utf8 is not BadTextPolicy.REJECT and found.invalid_texts != 0:
        mended = _MENDS[treatment.bad_utf8].format(_number(found.invalid_texts, "invalid text"))
        yield f"{said.rule('bad_utf8')} {mended}"
    if treatment.nul is not NulPolicy.REJECT and found.nul_texts != 0:
        what = "leaves U+0000 out of" if treatment.nul is NulPolicy.STRIP else "puts U+2400 for U+0000 into"
        yield f"{said.rule('nul')} {what} {_number(found.nul_texts, 'text')}"
    if said.null_if_empty and found.empty_texts != 0:
        yield f"{said.rule('null_if_empty')} makes NULL of {_number(found.empty_texts, 'empty text')}"


def _number(count: int | None, noun: str) -> str:
    if count is None:
        return f"every {noun}" if noun != "text" else "texts"
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _lost(profile: ColumnProfile, target: TargetType, said: Said) -> str:
    """What a type does not keep of texts that spell its values."""
    if said.form is SourceForm.ISO and profile.texts:
        return "each moment is kept, how it was written is not"
    if said.form is None and profile.texts and target.kind in _MANY_SPELLINGS:
        utc = taken_as_utc(profile, target)
        return f"{target.sql} keeps what a text means, not how it is written{f'; {utc}' if utc else ''}"
    return ""


_MENDS: Final = {
    BadTextPolicy.LATIN_1: "reads {} as ISO 8859-1",
    BadTextPolicy.REPLACE: "puts U+FFFD for what cannot be decoded in {}",
    BadTextPolicy.BYTEA: "makes bytea of the column, which keeps the bytes of {}",
}
_MANY_SPELLINGS: Final = frozenset(
    {TypeKind.BOOLEAN, TypeKind.TIMESTAMPTZ, TypeKind.UUID, TypeKind.JSONB, TypeKind.OTHER}
)
