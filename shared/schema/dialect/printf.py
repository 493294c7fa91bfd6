"""printf and format of SQLite, in their simple formats: %s, %d, %05d, %.2f, %%."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from shared.quoting import quote_text
from shared.schema.dialect.conversions import as_bigint, as_double, as_number, as_text
from shared.schema.dialect.functions import Function
from shared.schema.dialect.number_functions import ROUNDING
from shared.schema.dialect.values import NULL, Holds, Value, text
from shared.schema.dialect.walk import Walk, refuse

_FIELD: Final = re.compile(r"%(?:%|(0?)(\d*)(?:\.(\d+))?([a-zA-Z]))")
_MOST_DIGITS: Final = 15


def _printf(walk: Walk, arguments: Sequence[Value]) -> Value:
    form, *values = arguments
    if not isinstance(form.constant, str):
        return refuse("printf is translated for a constant format")
    if "%" in _FIELD.sub("", form.constant):
        return refuse(f"printf's format {form.constant!r} has a field that is not translated")
    # SQLite takes a value that is not given for NULL.
    missing = len(_FIELD.findall(form.constant)) - len(values)
    parts = list(_parts(walk, form.constant, [*values, *[NULL] * max(0, missing)]))
    return text("(" + " || ".join(parts) + ")") if parts else text("''")


def _parts(walk: Walk, form: str, values: Sequence[Value]) -> Iterator[str]:
    position, given = 0, iter(values)
    for found in _FIELD.finditer(form):
        if found.start() > position:
            yield quote_text(form[position : found.start()])
        position = found.end()
        yield "'%'" if found[0] == "%%" else _field(walk, found, next(given))
    if position < len(form):
        yield quote_text(form[position:])


def _field(walk: Walk, found: re.Match[str], value: Value) -> str:
    zeros, width, digits, letter = found[1], int(found[2] or 0), found[3], found[4]
    if letter == "s" and not width and digits is None:
        return f"coalesce({as_text(walk, value)}, '')"
    if letter in {"d", "i"} and digits is None:
        return _integer(walk, value, width, zeros=bool(zeros))
    if letter == "f" and not width and digits is not None and int(digits) <= _MOST_DIGITS:
        return _fixed(walk, value, int(digits))
    return refuse(f"printf's field {found[0]} is not translated")


def _integer(walk: Walk, value: Value, width: int, *, zeros: bool) -> str:
    number = as_number(walk, value)
    if number.holds not in {Holds.INTEGER, Holds.NOTHING}:
        refuse("printf cuts the fraction of a number for %d")
    sql = f"coalesce({as_bigint(walk, number)}, 0)"
    if not width:
        return f"{sql}::text"
    if not zeros:
        return f"lpad({sql}::text, greatest({width}, length({sql}::text)))"
    digits = f"ltrim({sql}::text, '-')"
    sign = f"CASE WHEN {sql} < 0 THEN '-' ELSE '' END"
    room = f"{width} - CASE WHEN {sql} < 0 THEN 1 ELSE 0 END"
    return f"({sign} || lpad({digits}, greatest({room}, length({digits})), '0'))"


def _fixed(walk: Walk, value: Value, digits: int) -> str:
    number = as_number(walk, value)
    if number.holds is not Holds.INTEGER:
        walk.doubt(ROUNDING)
    double = "0" if number.type is None else f"coalesce({as_double(walk, number)}, 0)"
    return f"round({double}::text::numeric, {digits})::text"


_NOTE: Final = "with constant formats of %s, %d, %i, %f with a number of digits, and %%"
FUNCTIONS: Final = (
    Function(name="printf", least=1, most=None, build=_printf, note=_NOTE),
    Function(name="format", least=1, most=None, build=_printf, note=_NOTE),
)
