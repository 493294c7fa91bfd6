"""What a plan expects of rejects holds for any values: the copy refuses no fewer than surely, no more than perhaps."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from shared.records.keys import OPEN, KeyRange
from shared.records.plan import JobOptions, TableRead, TypesPolicy
from shared.records.rules import BadTextPolicy, NulPolicy, Rule, SourceForm
from shared.schema.objects import translate
from shared.source.sqlite import open_sqlite
from shared.target.convert_values import ValueDoesNotFit, adapt

_DECLARED = (
    "INTEGER", "BIGINT", "REAL", "FLOATING POINT", "DECIMAL(5,2)", "NUMERIC", "TEXT", "VARCHAR(4)", "CHAR(3)", "STRING",
    "BLOB", "BOOLEAN", "DATE", "DATETIME", "TIMESTAMPTZ", "TIME", "UUID", "CHAR(36)", "BOOL_TEXT", "",
)  # fmt: skip
_RULED = (
    "smallint", "integer", "bigint", "real", "double precision", "numeric", "numeric(5,2)", "text", "varchar(4)",
    "char(3)", "bytea", "boolean", "date", "timestamp", "timestamp(0)", "timestamptz", "time", "uuid", "inet",
)  # fmt: skip
_MOMENTS = frozenset({"date", "timestamp", "timestamp(0)", "timestamptz"})
_TEXTS = (
    "", "a", "abcd", "abcde", "1", "0", "12.5", "true", "NO", "2024-02-29", "2023-02-29", "2024-01-31 10:00",
    "2024-01-31T10:00:00.25", "2024-01-31 10:00:00Z", "2024-01-31 10:00:00+01:00", "20240131T100000Z", "10:00", "24:00",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "a\0b", "é" * 4, "1700000000",
)  # fmt: skip
_VALUES = st.one_of(
    st.none(),
    st.sampled_from(_TEXTS),
    st.sampled_from([0, 1, 2, -1, 2**15, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 1_700_000_000, 1_700_000_000_000]),
    st.sampled_from([0.0, 1.0, 0.5, 0.1, 123.45, 1234.5, 1e300, -1e19, float("inf"), 2460262.5, 1.7e9 + 0.5]),
    st.sampled_from([b"", b"x", b"0123456789abcdef", b"a\0b"]),
    st.sampled_from([("text", b"gr\xf6\xdfe"), ("text", b"\xff\x00")]),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=6),
)  # fmt: skip
_RULES = st.builds(
    lambda type_, form, null_if_empty, nul, bad_utf8: Rule(
        table="t", column="made_at", type=type_ if form is None or type_ in _MOMENTS else None, form=form,
        null_if_empty=null_if_empty, nul=nul, bad_utf8=bad_utf8,
    ),
    st.sampled_from((None, *_RULED)),
    st.sampled_from((None, None, None, *SourceForm)),
    st.sampled_from((True, None)),
    st.sampled_from((NulPolicy.REJECT, NulPolicy.STRIP, NulPolicy.REPLACE)),
    st.sampled_from((BadTextPolicy.REJECT, BadTextPolicy.LATIN_1, BadTextPolicy.REPLACE)),
)  # fmt: skip


def _make(path: Path, declared: str, values: Sequence[Any]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE t (made_at {declared})")
        for value in values:
            as_text = isinstance(value, tuple)
            statement = f"INSERT INTO t VALUES ({'CAST(? AS TEXT)' if as_text else '?'})"
            connection.execute(statement, (value[1] if as_text else value,))
        connection.commit()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    declared=st.sampled_from(_DECLARED),
    values=st.lists(_VALUES, max_size=8),
    rule=st.none() | _RULES,
    policy=st.sampled_from(TypesPolicy),
)
def test_no_more_and_no_fewer_rejects_than_planned(
    declared: str, values: list[Any], rule: Rule | None, policy: TypesPolicy
) -> None:
    """Each value that the copy cannot carry into the planned type was expected: surely, or as one that may be."""
    if rule is not None and rule.type == "bytea":
        rule = Rule(table="t", column="made_at", type="bytea", null_if_empty=rule.null_if_empty)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.db"
        _make(path, declared, values)
        with open_sqlite(str(path), frozen=False) as reader:
            catalog = reader.catalog()
            profiles = {"t": reader.profile(catalog.tables[0])}
            options = JobOptions(rules=() if rule is None else (rule,), types=policy)
            plan = translate(catalog, profiles, target_schema="public", options=options)
            column = plan.tables[0].columns[0]
            read = TableRead(table="t", chunk_key=catalog.tables[0].chunk_key, columns=("made_at",))
            rows = [row for batch in reader.read_rows(read, KeyRange(lower=OPEN), batch_rows=100) for row in batch]
    refused = 0
    for row in rows:
        try:
            adapt(row.values[0], column)
        except ValueDoesNotFit:
            refused += 1
    event(f"{'some' if refused else 'no'} rejects into {column.type.kind}")
    if policy is TypesPolicy.LOSSLESS and (rule is None or (rule.type is None and rule.form is None)):
        # Nothing but what PostgreSQL's text cannot hold at all.
        assert refused == 0 or column.type.kind == "text"
    most = column.expected_rejects + column.possible_rejects
    # PostgreSQL itself reads texts of types that we know nothing of, and JSON.
    least = 0 if column.type.kind in {"other", "json", "jsonb"} else column.expected_rejects
    assert least <= refused <= most
