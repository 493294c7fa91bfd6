"""SQLite's functions on texts and blobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.records.plan import Grade, TypeKind
from shared.schema.dialect.conversions import as_bigint, as_number, as_text
from shared.schema.dialect.functions import Function
from shared.schema.dialect.text_comparisons import collated
from shared.schema.dialect.values import BINARY, NULL, Holds, Value, blob, constant, natural, text
from shared.schema.dialect.walk import Walk, refuse

_INT32_MAX: Final = 2**31 - 1


def _plain_text(walk: Walk, value: Value) -> str:
    """A text that functions may search: PostgreSQL refuses to where its collation is not deterministic."""
    sql = as_text(walk, value)
    return f'({sql} COLLATE "C")' if value.kind is TypeKind.TEXT and value.collation != BINARY else sql


def _cased(name: str) -> Function:
    def build(walk: Walk, arguments: Sequence[Value]) -> Value:
        # Under the collation C only the letters of ASCII have another case, as in SQLite.
        return text(f"{name}({collated(text(as_text(walk, arguments[0])), BINARY)})")

    return Function(name=name, least=1, most=1, build=build)


def _length(walk: Walk, arguments: Sequence[Value]) -> Value:
    (value,) = arguments
    if value.type is None:
        return NULL
    if value.holds is Holds.BLOB:
        return natural(f"octet_length({value.sql})")
    return natural(f"length({as_text(walk, value)})")


def _octet_length(walk: Walk, arguments: Sequence[Value]) -> Value:
    (value,) = arguments
    sql = value.sql if value.holds is Holds.BLOB else as_text(walk, value)
    return natural(f"octet_length({sql})")


def _substr(walk: Walk, arguments: Sequence[Value]) -> Value:
    subject, start, *rest = arguments
    if NULL in arguments:
        return NULL
    is_blob = subject.holds is Holds.BLOB
    # Of a blob without bytes SQLite's substr makes NULL.
    sql = f"NULLIF({subject.sql}, '')" if is_blob else as_text(walk, subject)
    length = f"{'octet_length' if is_blob else 'length'}({sql})"
    sizes = [_count(walk, each) for each in rest]
    parts = ", ".join([sql, _start(walk, start, length), *sizes])
    return (blob if is_blob else text)(f"substr({parts})")


def _start(walk: Walk, start: Value, length: str) -> str:
    """A position: from the end where it is negative."""
    if isinstance(start.constant, int):
        if abs(start.constant) > _INT32_MAX:
            refuse(f"{start.constant} is no position that PostgreSQL knows")
        return str(start.constant) if start.constant >= 0 else f"{length} - {-start.constant - 1}"
    sql = as_bigint(walk, start)
    _doubt_size(walk, start)
    if start.natural:
        return f"{sql}::integer"
    return f"(CASE WHEN {sql} < 0 THEN {length} + 1 + {sql} ELSE {sql} END)::integer"


def _doubt_size(walk: Walk, value: Value) -> None:
    if value.bound > 2 * _INT32_MAX:
        walk.doubt("a position beyond 32 bits is an error")


def _count(walk: Walk, count: Value) -> str:
    """How many characters; SQLite takes those before the position where it is negative."""
    if isinstance(count.constant, int):
        if not 0 <= count.constant <= _INT32_MAX:
            refuse("substr takes a negative number of characters")
        return str(count.constant)
    _doubt_size(walk, count)
    walk.doubt("a negative number of characters is an error in PostgreSQL, and counts backwards in SQLite")
    return f"({as_bigint(walk, count)})::integer"


def _instr(walk: Walk, arguments: Sequence[Value]) -> Value:
    if NULL in arguments:
        return NULL
    if {value.holds for value in arguments} == {Holds.BLOB}:
        return natural(f"position({arguments[1].sql} IN {arguments[0].sql})")
    whole, part = (_plain_text(walk, value) for value in arguments)
    return natural(f"strpos({whole}, {part})")


def _trimmed(name: str, target: str) -> Function:
    def build(walk: Walk, arguments: Sequence[Value]) -> Value:
        subject = as_text(walk, arguments[0])
        characters = as_text(walk, arguments[1]) if len(arguments) > 1 else "' '"
        return text(f"{target}({subject}, {characters})")

    return Function(name=name, least=1, most=2, build=build)


def _replace(walk: Walk, arguments: Sequence[Value]) -> Value:
    return text(f"replace({', '.join(_plain_text(walk, value) for value in arguments)})")


def _hex(walk: Walk, arguments: Sequence[Value]) -> Value:
    (value,) = arguments
    if value.type is None:
        return constant("")
    if value.holds is Holds.BLOB:
        sql = f"upper(encode({value.sql}, 'hex'))"
    else:
        walk.not_immutable()
        sql = f"upper(encode(convert_to({as_text(walk, value)}, 'UTF8'), 'hex'))"
    return replace(text(sql if value.not_null else f"coalesce({sql}, '')"), not_null=True)


def _unhex(_: Walk, arguments: Sequence[Value]) -> Value:
    (value,) = arguments
    if isinstance(value.constant, str):
        try:
            return constant(bytes.fromhex(value.constant) if " " not in value.constant else b"")
        except ValueError:
            return NULL
    return refuse("unhex gives NULL for what is not hexadecimal, and PostgreSQL an error")


def _quote(walk: Walk, arguments: Sequence[Value]) -> Value:
    (value,) = arguments
    if value.holds is Holds.TEXT:
        sql = f"('''' || replace({_plain_text(walk, value)}, '''', '''''') || '''')"
    elif value.holds is Holds.BLOB:
        sql = f"('X''' || upper(encode({value.sql}, 'hex')) || '''')"
    else:
        sql = as_text(walk, value)
    return replace(text(f"coalesce({sql}, 'NULL')"), not_null=True)


def _char(_: Walk, arguments: Sequence[Value]) -> Value:
    points = [value.constant for value in arguments]
    if not all(isinstance(point, int) and 0 < point < _SURROGATES for point in points):
        refuse("char is translated for constant characters from 1 to U+D7FF")
    return constant("".join(chr(point) for point in points if isinstance(point, int)))


def _unicode(walk: Walk, arguments: Sequence[Value]) -> Value:
    return natural(f"NULLIF(ascii({as_text(walk, arguments[0])}), 0)")


def _concat(walk: Walk, arguments: Sequence[Value]) -> Value:
    parts = (f"coalesce({as_text(walk, value)}, '')" for value in arguments if value.type is not None)
    return replace(text("(" + (" || ".join(parts) or "''") + ")"), not_null=True)


def _concat_ws(walk: Walk, arguments: Sequence[Value]) -> Value:
    walk.not_immutable()
    return text(f"concat_ws({', '.join(as_text(walk, value) for value in arguments)})")


def _random_blob(walk: Walk, arguments: Sequence[Value]) -> Value:
    size = as_number(walk, arguments[0]).constant
    if not isinstance(size, int) or size > _MOST_RANDOM_BYTES:
        return refuse(f"randomblob is translated for constant sizes up to {_MOST_RANDOM_BYTES} bytes")
    size = max(1, size)
    walk.asks_random(-(-size // 6))
    # The last 12 of a random UUID's digits are random, all of them.
    digits = " || ".join(["right(gen_random_uuid()::text, 12)"] * -(-size // 6))
    whole = f"decode({digits}, 'hex')"
    return replace(blob(whole if size % 6 == 0 else f"substr({whole}, 1, {size})"), not_null=True)


def _zero_blob(_: Walk, arguments: Sequence[Value]) -> Value:
    size = arguments[0].constant
    if not isinstance(size, int) or size > _MOST_ZEROS:
        return refuse(f"zeroblob is translated for constant sizes up to {_MOST_ZEROS} bytes")
    return constant(bytes(max(0, size)))


_SURROGATES: Final = 0xD800
_MOST_RANDOM_BYTES: Final = 96
_MOST_ZEROS: Final = 1024

FUNCTIONS: Final = (
    Function(name="length", least=1, most=1, build=_length),
    Function(name="octet_length", least=1, most=1, build=_octet_length),
    Function(name="substr", least=2, most=3, build=_substr),
    Function(name="substring", least=2, most=3, build=_substr),
    Function(name="instr", least=2, most=2, build=_instr),
    _cased("upper"),
    _cased("lower"),
    _trimmed("trim", "btrim"),
    _trimmed("ltrim", "ltrim"),
    _trimmed("rtrim", "rtrim"),
    Function(name="replace", least=3, most=3, build=_replace),
    Function(name="hex", least=1, most=1, build=_hex),
    Function(name="unhex", least=1, most=1, build=_unhex, note="of constants alone"),
    Function(name="quote", least=1, most=1, build=_quote),
    Function(name="char", least=0, most=None, build=_char, note="of constants alone"),
    Function(name="unicode", least=1, most=1, build=_unicode),
    Function(name="concat", least=1, most=None, build=_concat),
    Function(name="concat_ws", least=2, most=None, build=_concat_ws),
    Function(name="randomblob", least=1, most=1, build=_random_blob, note="of constant sizes"),
    Function(name="zeroblob", least=1, most=1, build=_zero_blob, note="of constant sizes"),
    Function(name="soundex", least=1, most=1, grade=Grade.REFUSED, note="PostgreSQL has none without an extension"),
)
