"""Values of both sides as people read them in a list of mismatches."""

from __future__ import annotations

import struct
import uuid
from typing import Final

from shared.compare.forms import Form, Formless
from shared.compare.json_forms import write_json
from shared.compare.moments import write_date, write_moment, write_time
from shared.records.keys import RawText, Value
from shared.records.plan import TypeKind

MOST_CHARACTERS: Final = 200
"""A mismatch is one line of a report; the contract of `shared.records.work.Mismatch`."""
_BEFORE_DIFFERENCE: Final = 40
"""Characters shown before the place where two long values begin to differ."""
_MOMENTS: Final = frozenset({TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ})


def shown_pair(source: Form, target: Form, kind: TypeKind) -> tuple[str | None, str | None]:
    """Show two values that differ; of long ones, the part where they begin to differ."""
    left, right = shown(source, kind), shown(target, kind)
    if left is None or right is None or max(len(left), len(right)) <= MOST_CHARACTERS:
        return _cut(left), _cut(right)
    same = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    begin = max(0, same - _BEFORE_DIFFERENCE)
    return _cut(_from(left, begin)), _cut(_from(right, begin))


def shown_row(forms: tuple[Form, ...], kinds: tuple[TypeKind, ...]) -> str:
    """Show a whole row."""
    texts = (shown(form, kind) for form, kind in zip(forms, kinds, strict=True))
    return _cut("(" + ", ".join("NULL" if text is None else text for text in texts) + ")") or ""


def shown(form: Form, kind: TypeKind) -> str | None:
    """Write a value as PostgreSQL would, blobs as ``x'…'``, at full length; None for NULL."""
    if form is None:
        return None
    if isinstance(form, Formless):
        return _shown_raw(form.value)
    return _shown_jsonb(form) if kind is TypeKind.JSONB else _shown_scalar(form, kind)


def key_value(form: Form, kind: TypeKind) -> Value:
    """A target value as a part of a key: numbers and blobs as such, everything else as text."""
    if isinstance(form, bytes):
        return form if kind is TypeKind.BYTEA else _number(form, kind)
    if isinstance(form, int) and not isinstance(form, bool) and _shown_integer(form, kind) == str(form):
        return form
    return shown(form, kind)


def _shown_scalar(form: Form, kind: TypeKind) -> str:
    if isinstance(form, bool):
        return "true" if form else "false"
    if isinstance(form, int):
        return _shown_integer(form, kind)
    return _shown_bytes(form, kind) if isinstance(form, bytes) else str(form)


def _shown_jsonb(form: Form) -> str:
    match form:
        case ("?", str(text)):  # see canonical_target: too deep to be read
            return text
    return write_json(form)


def _number(form: bytes, kind: TypeKind) -> Value:
    if kind is TypeKind.UUID:
        return str(uuid.UUID(bytes=form))
    number: float = struct.unpack(">d" if len(form) == 8 else ">f", form)[0]
    return number


def _shown_raw(value: Value) -> str:
    match value:
        case RawText(raw=raw):
            return f"x'{raw.hex()}'"
        case bytes():
            return f"x'{value.hex()}'"
    return str(value)


def _shown_integer(number: int, kind: TypeKind) -> str:
    if kind in _MOMENTS:
        return write_moment(number, utc=kind is TypeKind.TIMESTAMPTZ)
    if kind is TypeKind.DATE:
        return write_date(number)
    return write_time(number) if kind is TypeKind.TIME else str(number)


def _shown_bytes(form: bytes, kind: TypeKind) -> str:
    return f"x'{form.hex()}'" if kind is TypeKind.BYTEA else str(_number(form, kind))


def _from(text: str, begin: int) -> str:
    return "…" + text[begin + 1 :] if begin else text


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
