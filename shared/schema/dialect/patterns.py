"""LIKE and GLOB as SQLite matches them; MATCH and REGEXP are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.quoting import quote_text
from shared.records.plan import TypeKind
from shared.schema.dialect.conversions import as_text
from shared.schema.dialect.functions import Function
from shared.schema.dialect.logic import negated
from shared.schema.dialect.values import BINARY, Value, text_of_constant, truth
from shared.schema.dialect.walk import Handler, Walk, refuse, shown

_LIKE_SPECIAL: Final = frozenset("%_\\")
_REGEX_SPECIAL: Final = frozenset(".^$*+?()[]{}|\\")
_UPPER_TO_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def like(walk: Walk, subject: Value, pattern: Value, escape: str = "") -> Value:
    """Match by LIKE: the letters of ASCII in any case, all others as they are, and no escape unless one is named."""
    if subject.type is None or pattern.type is None:
        return truth("NULL::boolean")
    # Under the collation C only the letters of ASCII have another case.
    folded = f'lower({as_text(walk, subject)} COLLATE "C")'
    if pattern.constant is not None and not isinstance(pattern.constant, bytes):
        rendered = _pattern(text_of_constant(pattern.constant), escape)
        return _never(subject) if rendered is None else truth(f"({folded} LIKE {quote_text(rendered)})")
    if escape:
        refuse("LIKE with ESCAPE is translated for a constant pattern")
    return truth(f"({folded} LIKE lower({as_text(walk, pattern)} COLLATE \"C\") ESCAPE '')")


def _never(subject: Value) -> Value:
    """A pattern that matches nothing; NULL where there is nothing to match."""
    return truth("false" if subject.not_null else f"(CASE WHEN {subject.sql} IS NOT NULL THEN false END)")


def _pattern(pattern: str, escape: str) -> str | None:
    """A pattern of LIKE, folded, with a backslash before what stands for itself; None where it matches nothing."""
    parts, characters = [], iter(pattern)
    for character in characters:
        if character == escape:
            literal = next(characters, None)
            if literal is None:
                return None
            parts.append(_itself(literal.translate(_UPPER_TO_LOWER)))
        elif character in "%_":
            parts.append(character)
        else:
            parts.append(_itself(character.translate(_UPPER_TO_LOWER)))
    return "".join(parts)


def _itself(character: str) -> str:
    return f"\\{character}" if character in _LIKE_SPECIAL else character


def glob(walk: Walk, subject: Value, pattern: Value) -> Value:
    """Match by GLOB: to the letter, with * ? and [sets]."""
    if subject.type is None or pattern.type is None:
        return truth("NULL::boolean")
    if not isinstance(pattern.constant, str):
        return refuse("GLOB is translated for a constant pattern")
    sql = as_text(walk, subject)
    if subject.kind is TypeKind.TEXT and subject.collation != BINARY:
        sql = f'({sql} COLLATE "C")'
    if "[" not in pattern.constant:
        return truth(f"({sql} LIKE {quote_text(_glob_as_like(pattern.constant))})")
    regex = _glob_as_regex(pattern.constant)
    return _never(subject) if regex is None else truth(f'({sql} COLLATE "C" ~ {quote_text(regex)})')


def _glob_as_like(pattern: str) -> str:
    return "".join({"*": "%", "?": "_"}.get(character) or _itself(character) for character in pattern)


def _glob_as_regex(pattern: str) -> str | None:
    """A pattern of GLOB as a regular expression; None where a set is never closed, so that it matches nothing."""
    parts, position = [], 0
    while position < len(pattern):
        character = pattern[position]
        if character == "[":
            found = _glob_set(pattern, position + 1)
            if found is None:
                return None
            rendered, position = found
            parts.append(rendered)
            continue
        parts.append({"*": ".*", "?": "."}.get(character) or _regex_itself(character))
        position += 1
    return f"^{''.join(parts)}$"


def _regex_itself(character: str) -> str:
    return f"\\{character}" if character in _REGEX_SPECIAL else character


def _glob_set(pattern: str, position: int) -> tuple[str, int] | None:
    """A set of characters and where it ends: [abc], [a-z], [^abc], with ] first where it is one of them."""
    inverted = pattern[position : position + 1] == "^"
    position += inverted
    members, start = [], position
    while position < len(pattern) and (pattern[position] != "]" or position == start):
        if position > start and pattern[position] == "-" and pattern[position + 1 : position + 2] not in {"", "]"}:
            members.append("-" + _set_member(pattern[position + 1]))
            position += 2
        else:
            members.append(_set_member(pattern[position]))
            position += 1
    if position >= len(pattern):
        return None
    return f"[{'^' if inverted else ''}{''.join(members)}]", position + 1


def _set_member(character: str) -> str:
    return f"\\{character}" if character in "\\]^-[" else character


def _like(walk: Walk, node: Any) -> Value:
    matched = like(walk, walk.value(node.this), walk.value(node.expression))
    return negated(matched.sql) if node.args.get("negate") else matched


def _escape(walk: Walk, node: Any) -> Value:
    inner, escape = node.this, node.expression
    if not isinstance(inner, exp.Like) or not isinstance(escape, exp.Literal) or len(str(escape.this)) != 1:
        return refuse(f"{shown(node)} has an escape that is not one character")
    if str(escape.this).isalpha() or str(escape.this) in "%_":
        refuse(f"{shown(node)} has a letter or a sign of LIKE itself for its escape")
    matched = like(walk, walk.value(inner.this), walk.value(inner.expression), str(escape.this))
    return negated(matched.sql) if inner.args.get("negate") else matched


def _glob(walk: Walk, node: Any) -> Value:
    return glob(walk, walk.value(node.this), walk.value(node.expression))


def _refused(why: str) -> Handler:
    def handle(_: Walk, node: Any) -> Value:
        return refuse(f"{shown(node)}: {why}")

    return handle


def _like_call(walk: Walk, arguments: Sequence[Value]) -> Value:
    pattern, subject, *rest = arguments
    if not rest:
        return like(walk, subject, pattern)
    escape = rest[0].constant
    if not isinstance(escape, str) or len(escape) != 1 or escape.isalpha() or escape in "%_":
        return refuse("like() has an escape that is not one plain character")
    return like(walk, subject, pattern, escape)


def _glob_call(walk: Walk, arguments: Sequence[Value]) -> Value:
    pattern, subject = arguments
    return glob(walk, subject, pattern)


FUNCTIONS: Final = (
    Function(name="like", least=2, most=3, build=_like_call),
    Function(name="glob", least=2, most=2, build=_glob_call, note="of constant patterns"),
)
HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType(
    {
        exp.Like: _like,
        exp.Escape: _escape,
        exp.Glob: _glob,
        exp.Match: _refused("MATCH is full-text search, which PostgreSQL writes in another way"),
        exp.RegexpLike: _refused("REGEXP is a function that the application gives SQLite"),
    }
)
