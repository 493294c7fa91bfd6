"""Expressions that are refused, and what the refusal says."""

from __future__ import annotations

import pytest
from dialectkit import scope

from shared.schema.dialect.expressions import translate_condition, translate_expression
from shared.schema.dialect.scope import UntranslatableError


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "cannot be parsed"),
        ("i +", "cannot be parsed"),
        ("1; 2", "cannot be parsed"),
        ("i) FROM (j", "cannot be parsed"),
        ("i AS x", "is not translated"),
        ("i = j IN (1)", "needs parentheses"),
        ("i = t LIKE 'x'", "needs parentheses"),
        ("i = (SELECT 1)", "a subquery may not stand here"),
        ("EXISTS (SELECT 1)", "a subquery may not stand here"),
        ("i IN (SELECT 1)", "a subquery may not stand here"),
        ("i IN probe", "looks in a table"),
        ("gone", "no column gone"),
        ("?", "is not translated"),
        ("t COLLATE mine = 'x'", "the collation MINE is the application's own"),
        ("t MATCH 'x'", "full-text search"),
        ("t REGEXP 'x'", "the application gives SQLite"),
        ("RAISE(ABORT, 'no')", "stands in triggers alone"),
        ("last_insert_rowid()", "does not keep"),
        ("mine(1)", "no function that is translated"),
        ("t LIKE 'x' ESCAPE 'a'", "escape"),
        ("t LIKE u ESCAPE '!'", "constant pattern"),
        ("t GLOB u", "constant pattern"),
        ("CASE WHEN f THEN 'x' ELSE 1 END", "different kinds"),
        ("coalesce(t, 1)", "different kinds"),
        ("i % 2.5", "may have a fraction"),
        ("i << j", "shifts by a number"),
        ("date(t, u)", "is not known before it is computed"),
        ("date('2020-13-01')", "no moment of the calendar"),
        ("date('soon')", "not of a shape"),
        ("date(d, '+1 century')", "the modifier '+1 century' is not translated"),
        ("strftime(t, d)", "constant format"),
        ("strftime('%q', d)", "%q is not translated"),
        ("printf('%x', i)", "printf's field %x"),
        ("json_set(k, '$.a', 1)", "change JSON"),
        ("json_extract(k, t)", "constant path"),
        ("json_extract(k, '$.a..b')", "the JSON path"),
        ("json_valid(t)", "from version 16 on"),
        ("nullif(random(), 1)", "more than once"),
        ("unhex(t)", "gives NULL for what is not hexadecimal"),
        ("char(0)", "constant characters"),
        ("CAST(x'00' AS TEXT)", "U+0000"),
        ("t < d", "SQLite reads as a number"),
        ("max(c, 'x')", "may take another as the least"),
    ],
)
def test_what_has_no_translation(expression: str, reason: str) -> None:
    """What may mean something else, or nothing, in PostgreSQL is refused with the reason."""
    with pytest.raises(UntranslatableError) as refused:
        translate_expression(expression, scope())
    assert reason in str(refused.value)


def test_a_deep_expression_is_refused() -> None:
    """An expression that no stack holds is refused, not an error."""
    with pytest.raises(UntranslatableError, match=r"nested too deeply|cannot be parsed"):
        translate_condition("(" * 3000 + "i" + ")" * 3000, scope())


def test_many_parts_are_no_deep_expression() -> None:
    """A list of hundreds of alternatives is translated."""
    assert translate_condition(" OR ".join(f"i = {number}" for number in range(500)), scope()).sql.count(" OR ") == 499
