"""What a JSON text means as a jsonb value: nested tuples that are equal where the values are."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final, NoReturn

from shared.compare.deep_json import SHALLOW, deep_digest, is_deep
from shared.compare.forms import Form, plain_decimal

_OBJECT: Final = "{"
_ARRAY: Final = "["
_NUMBER: Final = "#"
_DEEP: Final = "^"


class _Number(str):
    """The digits of a JSON number, told apart from a JSON string."""

    __slots__ = ()


def read_json(text: str) -> Form:
    """Read a JSON text (RFC 8259): names sorted, numbers exact, every scalar marked with what it is.

    Raises:
        ValueError: for no JSON, for what jsonb cannot hold without loss (a name twice in one object, U+0000,
            half a surrogate pair).
    """
    if is_deep(text):
        return (_DEEP, deep_digest(text, _scalar))
    form = _form(_DECODER.decode(text))
    repr(form).encode()
    return form


def _scalar(text: str) -> str:
    return repr(_form(_DECODER.decode(text)))


def write_json(form: Form) -> str:
    """Write what `read_json` read as JSON again, for people."""
    match form:
        case str():
            return json.dumps(form, ensure_ascii=False)
        case ("{", members):
            assert isinstance(members, tuple)  # noqa: S101 - tells the type checker how read_json builds objects
            pairs = [pair for pair in members if isinstance(pair, tuple)]
            return "{" + ", ".join(f"{write_json(name)}: {write_json(value)}" for name, value in pairs) + "}"
        case ("[", items):
            assert isinstance(items, tuple)  # noqa: S101 - tells the type checker how read_json builds arrays
            return "[" + ", ".join(map(write_json, items)) + "]"
        case ("^", str(digest)):
            return f"JSON of more than {SHALLOW} levels with the digest {digest}"
        case ("#", number):
            return str(number)
        case (constant,):
            return json.dumps(constant)
    msg = f"no form of a JSON value: {form!r}"
    raise ValueError(msg)


def _form(value: Any) -> Form:
    match value:
        case _Number():
            return (_NUMBER, plain_decimal(Decimal(value)))
        case str():
            return _text(value)
        case dict():
            return (_OBJECT, tuple((_text(name), _form(value[name])) for name in sorted(value)))
        case list():
            return (_ARRAY, tuple(map(_form, value)))
    # In a tuple of its own, since True equals 1 in Python and None would be SQL's NULL.
    return (value,)


def _text(text: str) -> str:
    if "\0" in text:
        msg = "jsonb cannot hold U+0000"
        raise ValueError(msg)
    text.encode()  # half a surrogate pair raises UnicodeEncodeError, which is a ValueError
    return text


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        msg = "an object has the same name twice; jsonb would keep the last one alone"
        raise ValueError(msg)
    return members


def _refuse_constant(word: str) -> NoReturn:
    msg = f"{word} is no JSON"
    raise ValueError(msg)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_refuse_repeated_names, parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant
)
