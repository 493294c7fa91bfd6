"""Expressions of SQLite, translated, give in PostgreSQL what SQLite gives: each over a table of telling values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

import pytest
from dialectkit import COLUMNS, Answers, BothSides, both_sides
from fleetkit import TestPostgres

_NEW = sqlite3.sqlite_version_info
_NAMES = [name for name, _, _ in COLUMNS if name != "id"]
_TEXTS = ["t", "u", "c", "p", "x"]
_NUMBERS = ["i", "j", "f", "r", "m", "n", "e", "5", "-2.5", "0"]
_LITERALS = [
    "5", "'5'", "5.0", "0", "1", "'abc'", "''", "NULL", "x'61'", "'2020-01-31'", "'2020-01-31 00:00:00'", "-1", "1.5",
    "'ABC'", "'{}'", "TRUE", "'12:30:01'", "'a'", "'1'", "'é'",
]  # fmt: skip
_OPERATORS = ["=", "<>", "<", "<=", ">", ">=", "IS", "IS NOT"]
_COMPARISONS = [
    *(f"{left} {operator} {right}" for left in _NAMES for operator in _OPERATORS for right in _NAMES + _LITERALS),
    *(f"{left} {operator} {right}" for left in _LITERALS for operator in _OPERATORS for right in _NAMES),
]
_ARITHMETIC = [
    f"{left} {operator} {right}"
    for left in ["i", "j", "f", "r", "m", "n", "e", "2", "-3", "2.5", "'3'", "+f", "NULL"]
    for operator in ["+", "-", "*", "/", "%", "&", "|"]
    for right in ["i", "j", "f", "r", "m", "n", "2", "-3", "0", "2.5", "0.0"]
]
_OF_TEXTS = [
    "length(@)", "upper(@)", "lower(@)", "trim(@)", "ltrim(@, 'aA')", "rtrim(@, ' ')", "trim(@, '')",
    "replace(@, 'a', 'Q')", "replace(@, '', 'z')", "hex(@)", "quote(@)", "unicode(@)", "@ || 'x'", "@ || i", "@ || f",
    "@ || NULL", "instr(@, 'b')", "instr(@, u)", "instr(@, '')", "coalesce(@, '-')", "ifnull(@, u)", "nullif(@, 'abc')",
    "@ IS NULL", "@ NOTNULL", "@ ISNULL", "@ NOT NULL", "typeof(@)", "@ IN ('abc', '5')", "@ NOT IN ('a', NULL)",
    "@ IN (5, 'abc')", "@ BETWEEN 'A' AND 'b'", "iif(@ = 'abc', 1, 2)",
    "CASE @ WHEN 'abc' THEN 'x' WHEN 'A' THEN 'y' END",
    "CAST(@ AS TEXT)", "CAST(@ AS INTEGER)", "CAST(@ AS REAL)", "CAST(@ AS NUMERIC)", "CAST(@ AS BLOB)",
    "CAST(@ AS VARYING CHARACTER(20))", "CAST(@ AS UNSIGNED BIG INT)", "@ COLLATE NOCASE = u", "@ = u COLLATE NOCASE",
    "@ COLLATE BINARY = u", "@ COLLATE RTRIM < u", "NOT @ = u", "+@ = u",
    "@ || 'x' COLLATE NOCASE = 'ABCX'", "lower(@ COLLATE NOCASE) = 'ABC'", "CAST(@ AS TEXT) = 'ABC'",
    "upper(@) = 'abc'",
    '@ = "abc"', "@ == 'abc'",
    "length(@) > 2 AND @ <> ''", "@ + 1", "NOT @", "- @", "@ AND 1",
    "substr(@, instr(@, 'b') + 1)",
    "@ LIKE 'a!_b!%c' ESCAPE '!'", "@ LIKE u", "@ LIKE '%' || u || '%'", "like('a%', @)",
    "glob('a*', @)", "max(t, u, @)", "min(x, @, 'm')",
]  # fmt: skip
_PATTERNS = ["a%", "A_c", "%", "", "_", "%b%", "ä", "Ä%", "%\\%", "a\\b", "%\n%", "[x]", "a.b", "5"]
_GLOBS = [
    "a*", "*", "?", "[a-c]*", "[^a]*", "*[0-9]", "a[]b]", "[", "[]", "abc", "A*", "*.*", "*\\*", "[a-]*", "ä", "??",
    "[A-Z]*", "*[^ -~]*",
]  # fmt: skip
_OF_NUMBERS = [
    "abs(@)", "round(@)", "round(@, 1)", "round(@, 2)", "- @", "~ @", "+ @", "sign(@)", "typeof(@)", "@ || ''",
    "length(@)",
    "CAST(@ AS INTEGER)", "CAST(@ AS TEXT)", "CAST(@ AS REAL)", "CAST(@ AS NUMERIC)", "coalesce(@, 7)", "nullif(@, 0)",
    "max(@, 1)", "min(@, r)", "max(@, i, 2.5)", "NOT @", "@ AND i", "@ OR f", "CASE WHEN @ THEN 'y' ELSE 'n' END",
    "iif(@, i, f)", "@ IS TRUE", "@ IS NOT FALSE", "@ IN (0, 1, 2.5)", "@ IN ('1', 'x')", "@ NOT IN (1, NULL)",
    "@ BETWEEN -1 AND 5", "@ NOT BETWEEN 0 AND i", "@ << 2", "@ >> 1", "@ LIKE '1%'", "@ || t", "hex(@)", "quote(@)",
    "substr(@, 1, 2)", "instr(@, '1')", "@ = i = f", "likely(@) > 0", "coalesce(@, i, 0) * 2", "(@, i) = (1, 2)",
    "(@, i) < (1, 2)", "(@, i) >= (r, 2)", "+ @ = '5'", "@ + 1 > 2 OR @ IS NULL",
]  # fmt: skip
_OTHERS = [
    "length(b)", "hex(b)", "quote(b)", "substr(b, 2)", "substr(b, -1)", "substr(b, 1, 1)", "typeof(b)", "b IS NULL",
    "b = x'61'", "b > x''", "instr(b, x'ff')", "coalesce(b, x'00')", "CAST(b AS BLOB)", "b IN (x'61', x'')", "'abc'",
    '"nocol"', "x'ff'", "0x1F", "1e3", ".5", "TRUE", "9223372036854775807", "-9223372036854775808",
    "9223372036854775808", "1+1", "2*3.5", "'5'+1", "'5abc'+1", "'x' || 1 || 2.0", "char(65, 8364)", "zeroblob(3)",
    "1 = '1'", "1 < 'a'", "NULL IS NULL", "NULL = 1", "1/2", "1/2.0", "7%3", "-7%3", "-7/2", "7 & 3 | 8", "NOT 5",
    "NOT 0", "NOT NULL", "1 IN ()", "NULL IN ()", "1 NOT IN ()", "i IN ()", "CASE WHEN NULL THEN 1 ELSE 2 END",
    "coalesce(NULL, NULL, 3)", "coalesce(NULL, NULL)", "min(1, NULL)", "round(2.5)", "round(-2.5)", "round(2.675, 2)",
    "round(1e20)", "cast('12abc' as integer)", "cast(' -5.7e1x' as real)", "cast('abc' as integer)",
    "cast(1e30 as integer)", "cast('4.0' as numeric)", "cast(5.9 as integer)", "cast(-5.9 as integer)",
    "cast('1e3' as integer)", "trim('  x ')", "f + f", "f * 2.5", "f = 'x'", "f = '1'", "1 || 2 + 3", "2 - 3 - 4",
    "NOT i = 1", "NOT i IS NULL", "- - 5", "-i || 'x'", "i IS NOT j", "i IS j AND f", "t || u COLLATE NOCASE",
    "1 < 2 = 1", "i & 3 = 3", "quote(NULL)", "hex(NULL)", "typeof(NULL)", "f IS NULL OR f", "iif(f, t, u)",
    "CASE WHEN i > 1 THEN r ELSE i END", "CASE i WHEN 1 THEN f WHEN 2 THEN j END", "coalesce(f, 0)", "coalesce(f, i)",
    "printf('%d-%05d|%5d', i % 100, i, j)", "printf('%s:%s%%', t, f)", "printf('%.2f', r)", "printf('%.1f', i)",
    "printf('%d')", "format('x')" if _NEW >= (3, 38) else "1", "sign(i) * 5", "length(t) * 2 + 1",
    "substr(t, length(u))",
]  # fmt: skip
_MODIFIERS = [
    "", ", '+1 day'", ", '-1 day'", ", '+1 month'", ", '-1 month'", ", '+1 year'", ", '-1 year'", ", 'start of month'",
    ", 'start of year'", ", 'start of day'", ", '+36 hours'", ", '-90 minutes'", ", '+1.5 days'", ", 'weekday 0'",
    ", 'weekday 3'", ", 'start of month', '+1 month', '-1 day'", ", '+01:30'", ", '+10 seconds'",
]  # fmt: skip
_MOMENTS = ["d", "s", "'2020-01-31'", "'2020-02-29T12:34:56'", "'2020-01-31 01:02:03+02:00'"]
_MAKERS = ["date", "time", "datetime", "julianday", *(["unixepoch"] if _NEW >= (3, 38) else [])]
_FORMATS = [
    "%Y", "%m", "%d", "%H", "%M", "%S", "%s", "%j", "%w", "%W", "%f", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%fZ", "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "%%x%Y", 'week "%W\\', "%Y%m%d",
]  # fmt: skip
_OF_MOMENTS = [
    "strftime('%s', @) - 5", "strftime('%Y', @) = '2020'", "strftime('%Y', @) = 2020", "date(@) = d",
    "date(@) > '2020-01-01'", "date(@) || 'x'", "datetime(@) || ''", "typeof(date(@))", "length(datetime(@))",
    "substr(datetime(@), 1, 7)", "e > strftime('%s', @)", "datetime(@) < s", "coalesce(date(@), '-')",
    "date(@) BETWEEN '2019-01-01' AND '2021-01-01'", "julianday(@) - julianday('2000-01-01')",
    "CAST(julianday(@) - julianday('2000-01-01') AS INTEGER)",
]  # fmt: skip
_OTHER_MOMENTS = [
    "strftime('%Y-%m', e, 'unixepoch')", "h || ''", "time(h)", "d || ''", "s || ''", "d = '2020-01-31'",
    "d LIKE '2020%'",
    "s LIKE '2020-01%'", "substr(s, 1, 10)", "substr(d, 1, 4)", "length(s)", "hex(d)", "d < '2021-01-01'",
    "s >= '2020-01-31 00:00:00'", "s BETWEEN '2000-01-01 00:00:00' AND '2021-01-01 00:00:00'",
    "d IN ('2020-01-31', 'x')", "d = date(s)", "date(s) = date('2020-01-31 05:00')", "max(d, '2020-01-01')",
    "coalesce(d, '2020-01-01')", "coalesce(s, 'x')", "CASE WHEN i > 1 THEN d ELSE '2020-01-01' END",
    "nullif(d, '2020-01-31')", "typeof(s)", "d IS '2020-01-31'", "d > 5", "d = 5", "d = ''", "d > ''", "s != ''",
    "h > '12:00:00'", "i < d", "datetime(1700000000, 'unixepoch')", "datetime(2459000.5)",
    "strftime('%Y-%m-%d %H:%M:%f', s) || ''", "strftime('%Y-%m-%dT%H:%M:%SZ', s) || 'x'",
    *(f"{maker}(e, 'unixepoch'{more})" for maker in ("date", "time", "datetime") for more in ("", ", '+1 day'")),
]  # fmt: skip
_PATHS = ["$", "$.a", "$.b", "$.c", "$.d", "$.e", "$.e[0]", "$.e[#-1]", "$.f.g", "$.zz", "$[1]", '$."a"']
_OF_PATHS = [
    "json_extract(k, '@') = 'x'", "json_extract(k, '@') = 1", "json_extract(k, '@') > 1",
    "json_extract(k, '@') IS NULL", "json_extract(k, '@') > 0 OR i",
    "json_type(k, '@')", "json_array_length(k, '@')", "json_extract(k, '@') IN (1, '1')", "json_extract(k, '@') <> '1'",
    "1 = json_extract(k, '@')", "k ->> '@' = 'x'", "k -> '@' IS NULL",
]  # fmt: skip
_OTHER_JSON = ["k ->> 'b' = 'x'", "json_array_length(k)", "json_type(k)", "k IS NULL", "typeof(k)", "k = '{}'"]


def _filled(templates: Iterable[str], subjects: Iterable[str]) -> list[str]:
    return [template.replace("@", subject) for subject in subjects for template in templates]


def _but_for(answers: Answers, *reasons: str) -> list[str]:
    """What is refused for other reasons."""
    return [f"{each}: {why}" for each, why in answers.refused.items() if not any(reason in why for reason in reasons)]


@pytest.fixture(scope="module")
def both(postgres_server: TestPostgres) -> Iterator[BothSides]:
    """The table on both sides."""
    with postgres_server.fresh_database() as url, both_sides(url) as sides:
        yield sides


def test_comparisons(both: BothSides) -> None:
    """Every column compared with every other and with literals of each kind, by every operator."""
    answers = both.values(_COMPARISONS)
    assert answers.exact_differences == []
    assert len(answers.exact) > 6000
    assert len(answers.doubted_differences) < 60


def test_conditions(both: BothSides) -> None:
    """A comparison is true, false or neither where SQLite says so."""
    answers = both.conditions([*_COMPARISONS[::9], *_filled(_OF_NUMBERS[:30], _NUMBERS)])
    assert answers.exact_differences == []
    assert len(answers.exact) > 600


def test_arithmetic(both: BothSides) -> None:
    """Integers stay integers, division by zero is NULL, and columns of truths count as 0 and 1."""
    answers = both.values(_ARITHMETIC)
    assert answers.exact_differences + answers.doubted_differences == []
    assert len(answers.exact + answers.doubted) > 600


def test_functions_of_texts(both: BothSides) -> None:
    """Functions of texts over texts of every collation."""
    answers = both.values(_filled(_OF_TEXTS, _TEXTS))
    assert answers.exact_differences + answers.doubted_differences == []
    assert _but_for(answers, "holds for equal") == []


def test_positions(both: BothSides) -> None:
    """What substr takes from the left, from the right, from before the beginning and after the end."""
    starts = ["-100", "-4", "-3", "-1", "0", "1", "2", "3", "10", "i % 5", "length(u)"]
    sizes = ["", ", 0", ", 1", ", 2", ", 5", ", 100", ", length(u)"]
    asked = [f"substr({text}, {start}{size})" for text in _TEXTS for start in starts for size in sizes]
    answers = both.values(asked)
    assert answers.exact_differences + answers.doubted_differences == []
    assert answers.refused == {}


def test_patterns(both: BothSides) -> None:
    """LIKE and GLOB, their negations and escapes, over texts of every collation."""
    likes = [
        f"{text} {word} '{pattern}'{escape}"
        for text in _TEXTS
        for pattern in _PATTERNS
        for word in ("LIKE", "NOT LIKE")
        for escape in ("", " ESCAPE '\\'", " ESCAPE '!'")
    ]
    globs = [f"{text} {word} '{glob}'" for text in _TEXTS for glob in _GLOBS for word in ("GLOB", "NOT GLOB")]
    answers = both.values([*likes, *globs])
    assert answers.exact_differences == []
    assert (answers.doubted, answers.refused) == ([], {})


def test_functions_of_numbers(both: BothSides) -> None:
    """Functions of numbers over integers, truths, reals and decimals."""
    answers = both.values(_filled(_OF_NUMBERS, _NUMBERS))
    assert answers.exact_differences + answers.doubted_differences == []
    assert _but_for(answers, "fraction", "does not keep") == []


def test_other_expressions(both: BothSides) -> None:
    """Literals, blobs, precedence and branches."""
    answers = both.values(_OTHERS)
    assert answers.exact_differences + answers.doubted_differences == []
    assert answers.refused == {}


def test_moments(both: BothSides) -> None:
    """Dates and times of columns and literals, by every function, with modifiers and formats."""
    made = [f"{maker}({moment}{more})" for moment in _MOMENTS for more in _MODIFIERS for maker in _MAKERS]
    formatted = [
        f"strftime('{form}', {moment}{more})" for moment in _MOMENTS for form in _FORMATS for more in _MODIFIERS[:4]
    ]
    answers = both.values([*made, *formatted, *_filled(_OF_MOMENTS, _MOMENTS), *_OTHER_MOMENTS])
    assert answers.exact_differences + answers.doubted_differences == []
    assert answers.refused == {}


def test_json(both: BothSides) -> None:
    """What json_extract and the arrows find, compared and counted."""
    answers = both.values([*_filled(_OF_PATHS, _PATHS), *_OTHER_JSON])
    assert answers.exact_differences + answers.doubted_differences == []
    assert answers.refused == {}


_AGGREGATES = [
    "count(*)", "count(t)", "count(DISTINCT t)", "count(DISTINCT c)", "count(DISTINCT f)", "sum(i)", "sum(f)", "sum(r)",
    "sum(n)", "total(i)", "total(r)", "avg(i)", "avg(f)", "avg(r)", "avg(n)", "min(t)", "max(t)", "min(i)", "max(f)",
    "min(f)", "max(d)", "min(s)", "max(r)", "count(*) FILTER (WHERE f)", "sum(i) FILTER (WHERE t > 'a')", "min(n)",
    "max(x)", "sum(i > 2)", "count(i IS NULL)", "sum(CASE WHEN f THEN 1 ELSE 0 END)", "max(i) - min(i)",
    "coalesce(sum(i), 0)", "sum(DISTINCT f)", "max(length(t))", "sum(i) * 1.0 / count(*)", "avg(i) > 3", "sum(m)",
]  # fmt: skip


@pytest.mark.parametrize("expression", _AGGREGATES)
def test_aggregates(both: BothSides, expression: str) -> None:
    """An aggregate over groups of rows, some of them NULL."""
    source, target, _ = both.aggregates(expression)
    in_doubles = any(real in expression for real in ("(r)", "(n)", "(m)"))
    assert target == (pytest.approx(source) if in_doubles else source)


@pytest.mark.parametrize(
    "expressions",
    [
        _ARITHMETIC,
        _filled(_OF_TEXTS, _TEXTS),
        _filled(_OF_NUMBERS, _NUMBERS),
        _OTHER_MOMENTS,
        _filled(_OF_PATHS, _PATHS[:4]),
    ],
)
def test_what_is_called_immutable_may_be_indexed(both: BothSides, expressions: list[str]) -> None:
    """PostgreSQL takes in an index what the translation calls immutable."""
    answers = both.values(expressions)
    named = [
        each for each in (*answers.exact, *answers.doubted) if '"' in each.translated.sql and each.translated.immutable
    ]
    refused = [each.translated.sql for each in named[::5] if not both.is_immutable(each.translated.sql)]
    assert refused == []
    assert named
