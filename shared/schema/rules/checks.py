"""What a rule must not be: about nothing, without effect, or against itself."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final, NoReturn

from shared.errors import OperatorError
from shared.records.plan import TargetType, TypeKind
from shared.records.rules import BadTextPolicy, NulPolicy, Rule, SourceForm
from shared.records.source import SourceCatalog
from shared.schema.names import fold
from shared.schema.postgres_types import TypeTextError, read_type
from shared.schema.rules.given_names import why_not_a_name
from shared.schema.rules.wildcards import is_pattern, matches

MOMENTS: Final = frozenset({TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ, TypeKind.DATE})
"""What a source form can become."""
_COUNTING: Final = frozenset({SourceForm.UNIX_S, SourceForm.UNIX_MS, SourceForm.UNIX_US})
_SUGGESTIONS: Final = 3
_SHOWN: Final = 20
_SAYING: Final = ("name", "type", "form", "null_if_empty", "nul", "bad_utf8")


def refuse_rule(number: int, text: str) -> NoReturn:
    """Say what is wrong with a rule.

    Raises:
        OperatorError: always.
    """
    msg = f"rule {number} of pgconvoy.toml {text}"
    raise OperatorError(msg)


def check_rule(number: int, rule: Rule) -> None:
    """Refuse a rule that says nothing, contradicts itself, or names what PostgreSQL cannot have.

    Raises:
        OperatorError: names the rule, and says what is wrong.
    """
    said = [key for key in _SAYING if getattr(rule, key) is not None]
    if rule.exclude and said:
        refuse_rule(number, f"leaves something out with exclude and says its {said[0]} too: leave one of them out")
    if not rule.exclude and not said:
        refuse_rule(number, f"says nothing of {_about(rule)}: give it one of exclude, {', '.join(_SAYING)}")
    if rule.name is not None:
        why = why_not_a_name(rule.name, of_column=rule.column is not None)
        if why:
            refuse_rule(number, f"gives the name {rule.name!r}, but {why}")
    _check_type(number, rule, _type(number, rule))


def may_become(form: SourceForm, target: TargetType) -> bool:
    """Whether values of a form can become a type: moments, and intervals of what is counted."""
    return target.kind in MOMENTS or (target.sql.startswith("interval") and form in _COUNTING)


def _about(rule: Rule) -> str:
    return f"table {rule.table!r}" + (f", column {rule.column!r}" if rule.column is not None else "")


def _type(number: int, rule: Rule) -> TargetType | None:
    if rule.type is None:
        return None
    try:
        return read_type(rule.type)
    except TypeTextError as error:
        return refuse_rule(number, f"gives the type {error}")


def _check_type(number: int, rule: Rule, given: TargetType | None) -> None:
    as_bytes = rule.bad_utf8 is BadTextPolicy.BYTEA or (given is not None and given.kind is TypeKind.BYTEA)
    if rule.form is not None and given is not None and not may_become(rule.form, given):
        refuse_rule(
            number,
            f"has the form {rule.form}, which makes moments, and the type {given.sql}, which is none: "
            "give it timestamptz, timestamp or date (or interval, for unix forms), or leave one of them out",
        )
    if rule.form is not None and as_bytes:
        refuse_rule(number, f"has the form {rule.form}, which makes moments, and bytea: leave one of them out")
    if as_bytes and rule.nul not in {None, NulPolicy.REJECT}:
        refuse_rule(
            number, f"has nul = {str(rule.nul)!r} and bytea, which holds U+0000 as it is: leave one of them out"
        )
    if rule.bad_utf8 is BadTextPolicy.BYTEA and given is not None and given.kind is not TypeKind.BYTEA:
        refuse_rule(number, f"has bad_utf8 = 'bytea' and the type {given.sql}: leave one of them out")
    if given is not None and given.kind is TypeKind.BYTEA and rule.bad_utf8 in _DECODING:
        refuse_rule(
            number,
            f"has bad_utf8 = {str(rule.bad_utf8)!r} and the type bytea, which takes bytes as they are: "
            "leave one of them out",
        )


def refuse_unmatched(number: int, rule: Rule, catalog: SourceCatalog) -> None:
    """Refuse a rule about something that the source does not have, whatever tables the job copies.

    Raises:
        OperatorError: names what comes close.
    """
    tables = [table for table in catalog.tables if matches(rule.table, table.name)]
    if not tables:
        names = [table.name for table in catalog.tables]
        refuse_rule(number, f"matches nothing: {_no_table(rule.table, catalog)}; {_near(rule.table, names, 'tables')}")
    columns = [column.name for table in tables for column in table.columns]
    if rule.column is not None and not any(matches(rule.column, name) for name in columns):
        place = f"table {tables[0].name!r}" if len(tables) == 1 else f"any of {len(tables)} tables that it matches"
        text = f"matches nothing: there is no column {rule.column!r} in {place}"
        refuse_rule(number, f"{text}; {_near(rule.column, columns, 'columns')}")


def _no_table(wanted: str, catalog: SourceCatalog) -> str:
    for other in catalog.objects:
        if matches(wanted, other.name):
            return f"{other.name!r} is a {other.kind}, and rules are about tables"
    return f"the source has no table {'like' if is_pattern(wanted) else 'named'} {wanted!r}"


def _near(wanted: str, names: Sequence[str], what: str) -> str:
    by_folded = {fold(name): name for name in names}
    near = difflib.get_close_matches(fold(wanted), list(by_folded), n=_SUGGESTIONS)
    if near:
        return f"did you mean {' or '.join(repr(by_folded[name]) for name in near)}?"
    shown = ", ".join(repr(name) for name in sorted(by_folded.values())[:_SHOWN])
    return f"its {what} are {shown}{' and more' if len(by_folded) > _SHOWN else ''}" if shown else f"it has no {what}"


_DECODING: Final = frozenset({BadTextPolicy.LATIN_1, BadTextPolicy.REPLACE})
